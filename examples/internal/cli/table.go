package cli

import (
	"strings"
	"unicode/utf8"

	"github.com/fatih/color"

	"github.com/ubunye-go/modelregistry"
)

// A table is laid out in columns and indented by two spaces. A column has its
// preset width, or that of its longest cell, so that no cell is cut or touches
// the next.
type table struct {
	columns []column
	rows    [][]string
}

type column struct {
	title string
	width int
	gap   string                   // the space before the cells; the rule has one space
	paint func(cell string) string // colours a padded cell; nil leaves it
}

func (t *table) add(cells ...string) {
	for i, cell := range cells {
		cells[i] = escape(cell)
	}
	t.rows = append(t.rows, cells)
}

func (t *table) String() string {
	widths := make([]int, len(t.columns))
	titles := make([]string, len(t.columns))
	rules := make([]string, len(t.columns))
	for i, c := range t.columns {
		titles[i] = escape(c.title)
		widths[i] = max(c.width, utf8.RuneCountInString(titles[i]))
		for _, row := range t.rows {
			if i < len(t.columns)-1 { // nothing follows the last column
				widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
			}
		}
		rules[i] = strings.Repeat("-", widths[i])
	}
	var b strings.Builder
	t.line(&b, titles, widths)
	b.WriteString("  " + strings.Join(rules, " ") + "\n")
	for _, row := range t.rows {
		t.line(&b, row, widths)
	}
	return b.String()
}

// line writes one row. It does not colour titles, which are not stages.
func (t *table) line(b *strings.Builder, cells []string, widths []int) {
	b.WriteString(" ")
	for i, c := range t.columns {
		gap := c.gap
		if gap == "" {
			gap = " "
		}
		cell := cells[i]
		if i < len(cells)-1 {
			cell += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		}
		if c.paint != nil {
			cell = c.paint(cell)
		}
		b.WriteString(gap + cell)
	}
	b.WriteString("\n")
}

var stageColours = map[modelregistry.ModelStage]*color.Color{
	modelregistry.Production:  color.New(color.FgGreen),
	modelregistry.Staging:     color.New(color.FgYellow),
	modelregistry.Development: color.New(color.FgCyan),
	modelregistry.Archived:    color.New(color.Faint),
}

// paintStage colours the name of a stage, padded or not, if stdout is a
// terminal.
func paintStage(cell string) string {
	if c := stageColours[modelregistry.ModelStage(strings.TrimSpace(cell))]; c != nil {
		return c.Sprint(cell)
	}
	return cell
}

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

// decode reads one JSON value. Numbers keep their digits.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// readObject reads a file that contains a JSON object. Without a file name it
// returns nil.
func readObject(file string) (map[string]any, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var value any
	err = decode(data, &value)
	if err == nil {
		err = checkLossless(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%w content of %s: %w", modelregistry.ErrInvalid, file, err)
	}
	object, isObject := value.(map[string]any)
	if !isObject {
		return nil, fmt.Errorf("%w content of %s: it is not a JSON object", modelregistry.ErrInvalid, file)
	}
	return object, nil
}

// pairs collects a repeatable flag NAME=VALUE, whose values are JSON. A name
// may have a "=", such as auc/region=eu.
type pairs map[string]any

// add is called while the command line is parsed, so that its errors are errors
// of usage.
func (p pairs) add(text string, allowed func(value any) bool, want string) error {
	at := strings.LastIndexByte(text, '=')
	if at < 1 {
		return fmt.Errorf("want NAME=%s", want)
	}
	name, raw := text[:at], text[at+1:]
	var value any
	if err := decode([]byte(raw), &value); err != nil || !allowed(value) {
		return fmt.Errorf("%q is not %s", raw, want)
	}
	if _, twice := p[name]; twice {
		return fmt.Errorf("%s is given twice", name)
	}
	p[name] = value
	return nil
}

func isNumber(value any) bool {
	n, ok := value.(json.Number)
	if !ok {
		return false
	}
	_, err := n.Float64() // out of range otherwise
	return err == nil
}

func isNumberOrBool(value any) bool {
	_, isBool := value.(bool)
	return isBool || isNumber(value)
}

// gateFlags are --gate and --gates.
type gateFlags struct {
	file  string
	given pairs
}

func (g *gateFlags) define(cmd *cobra.Command, usage string) {
	g.given = pairs{}
	cmd.Flags().StringVar(&g.file, "gates", "", "JSON `file` of gates "+usage)
	cmd.Flags().Func("gate", "gate "+usage+", as `min_auc=0.85` or not_below_production.auc=0.01; repeatable", func(s string) error {
		if err := g.add(s); err != nil {
			return err
		}
		_, err := modelregistry.ParseGates(g.given)
		return err
	})
}

// add adds a gate NAME=VALUE, or not_below_production.METRIC=MARGIN.
func (g *gateFlags) add(text string) error {
	key, margin, _ := strings.Cut(text, ".")
	switch {
	case !strings.HasPrefix(key, "not_below") && !strings.HasPrefix(key, "not_above"):
		return g.given.add(text, isNumberOrBool, "a number, true or false; --gates takes a file")
	case strings.Contains(key, "@"):
		return errors.New("a gate that compares with another version than production goes into a file; see --gates")
	case strings.Contains(key, "=") || margin == "":
		return fmt.Errorf("want %s.METRIC=MARGIN", strings.SplitN(key, "=", 2)[0])
	}
	if share, isShare := strings.CutSuffix(margin, "%"); isShare { // as JSON
		at := strings.LastIndexByte(share, '=') + 1
		margin = share[:at] + `"` + share[at:] + `%"`
	}
	margins, _ := g.given[key].(pairs)
	if margins == nil {
		margins = pairs{}
		g.given[key] = margins
	}
	if err := margins.add(margin, isMargin, `a number, or a share such as 2%`); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

func isMargin(value any) bool {
	_, isShare := value.(string)
	return isShare || isNumber(value)
}

// read joins the gates of the file and of the command line. All must pass.
func (g *gateFlags) read() (modelregistry.PromotionGate, error) {
	given, err := modelregistry.ParseGates(g.given)
	if err != nil || g.file == "" {
		return given, err
	}
	data, err := os.ReadFile(g.file)
	if err != nil {
		return given, err
	}
	data = bytes.TrimSpace(data)
	// The library reads null as no gates, but a file of gates should have some.
	if string(data) == "null" {
		return given, fmt.Errorf("%w content of %s: it is not a JSON object", modelregistry.ErrInvalid, g.file)
	}
	var stored modelregistry.PromotionGate
	if err := stored.UnmarshalJSON(data); err != nil {
		return given, fmt.Errorf("%s: %w", g.file, err)
	}
	return modelregistry.Gates(stored, given), nil
}

package gate

import (
	"fmt"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/spelling"
)

// maxNames is how many metrics a message lists.
const maxNames = 10

// missing returns the error that a version has no metric of a name. It says
// which metrics there are, and which of them was probably meant.
func missing(metrics Values, name string) error {
	var names []string
	for other := range metrics.All() {
		names = append(names, other)
	}
	text := fmt.Sprintf("metric %s is missing", name)
	if meant := spelling.Nearest(name, names); meant != "" {
		text += "; did you mean " + meant + "?"
	}
	switch n := len(names); {
	case n == 0:
		return fmt.Errorf("%s, as there are no metrics", text)
	case n > maxNames:
		names = append(names[:maxNames], fmt.Sprintf("and %d more", n-maxNames))
	}
	return fmt.Errorf("%s (there are %s)", text, excerpt(strings.Join(names, ", ")))
}

package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

// A subject is the model that a command acts on, and a version of it if the
// command takes one. The flags -u, -m and -v name it, or --ref.
type subject struct {
	name    modelregistry.ModelName
	version string
	ref     modelregistry.Ref // zero unless --ref names a stage, an alias, latest or a range
}

// refFlag adds --ref to a command that has the other flags. A flag whose value
// is part of --ref is not required.
func (s *subject) refFlag(cmd *cobra.Command) {
	version := cmd.Flags().Lookup("version") != nil
	usage := "the model as `use_case/model`"
	if version {
		usage = "the version as `use_case/model@what`: its number, a stage, an alias, latest or a range like ~1.2; instead of -u, -m and -v"
	}
	others := []string{"use-case", "model"}
	if version {
		others = append(others, "version")
	}
	cmd.Flags().Func("ref", usage, func(text string) error {
		for _, name := range others {
			if f := cmd.Flags().Lookup(name); f.Annotations != nil {
				needed := f.Annotations[cobra.BashCompOneRequiredFlag] != nil
				delete(f.Annotations, cobra.BashCompOneRequiredFlag)
				if name == "version" && needed && !strings.Contains(text, "@") {
					return fmt.Errorf("%q names no version: want %s@what", text, text)
				}
			}
		}
		return s.parse(text, version)
	})
	for _, name := range others {
		cmd.MarkFlagsMutuallyExclusive("ref", name)
	}
}

func (s *subject) parse(text string, version bool) (err error) {
	ref, refErr := modelregistry.ParseRef(text)
	if !version && refErr == nil && (ref.Range == "" || ref.Range == modelregistry.Latest) {
		return fmt.Errorf("%q names a version: want the model, %s", text, ref.Name)
	}
	if !strings.Contains(text, "@") || !version {
		s.name, err = modelregistry.ParseModelName(text)
		return err
	}
	if refErr != nil {
		return refErr
	}
	s.name = ref.Name
	if s.version = ref.Version; ref.Stage != "" || ref.Alias != "" || ref.Range != "" {
		s.ref = ref
	}
	return nil
}

// target returns the version that the flags name.
func (s *subject) target() modelregistry.Ref {
	if s.ref != (modelregistry.Ref{}) {
		return s.ref
	}
	return s.name.At(s.version)
}

// isModel reports whether the flags name a model and no version.
func (s *subject) isModel() bool { return s.version == "" && s.ref == (modelregistry.Ref{}) }

// find resolves the reference to a version.
func (s *subject) find(ctx context.Context, r *modelregistry.ModelRegistry) error {
	if s.ref == (modelregistry.Ref{}) {
		return nil
	}
	v, err := r.GetVersion(ctx, s.ref)
	s.version = v.Version
	return err
}

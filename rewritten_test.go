package modelregistry_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// git runs git without the settings of the user and of the system.
func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// withSharedAppend makes the store of three, with an append of two events: an
// external change and a move.
func withSharedAppend(t *testing.T) (dir string) {
	t.Helper()
	dir = three(t)
	edit(t, modelPath(dir, "registry.json"), func(s string) string {
		return strings.Replace(s, `"config_hash": null`, `"config_hash": "abcd"`, 1)
	})
	r := openStore(t, dir, nil)
	promote(t, r, "1.0.2", mr.Staging)
	if _, err := r.Demote(t.Context(), fraud.At("1.0.2"), mr.Development, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// textFindings returns what Verify finds, except about the files of versions.
func textFindings(t *testing.T, dir string) (list []string) {
	t.Helper()
	report, err := openStore(t, dir, nil).Verify(t.Context(), &mr.VerifyOptions{WithoutArtifacts: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		list = append(list, strings.ReplaceAll(f.String(), fraud.String()+"/", ""))
	}
	return list
}

// A checkout by git with core.autocrlf changes the line ends of every text
// file. Verify says so, Repair gives history and document their bytes back, and
// with "* -text" in .gitattributes nothing happens.
func TestCheckoutWithAutocrlf(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git: ", err)
	}
	for _, protected := range []bool{false, true} {
		dir := withSharedAppend(t)
		if protected {
			writeFile(t, filepath.Join(dir, ".gitattributes"), "* -text\n")
		}
		git(t, dir, "init", "-q")
		git(t, dir, "add", "-A", "-f")
		git(t, dir, "commit", "-qm", "a store")
		copied := filepath.Join(t.TempDir(), "clone")
		git(t, dir, "-c", "core.autocrlf=true", "clone", "-q", dir, copied)
		changed := "line ends were changed, as git does with core.autocrlf"
		want := []string{"history damaged: history.jsonl is corrupt at byte 0: " + changed, "external change: registry.json: " + changed}
		if protected {
			want = nil
		}
		if diff := cmp.Diff(want, textFindings(t, copied)); diff != "" {
			t.Errorf("protected %t: verify (-want +got):\n%s", protected, diff)
		}
		if !protected {
			_, err := openStore(t, copied, nil).ListVersions(t.Context(), fraud)
			if err == nil || !strings.Contains(err.Error(), changed) {
				t.Errorf("the error of a list: %v", err)
			}
			wantUnrewritten(t, dir, copied, threeStages)
			report, err := openStore(t, copied, nil).Verify(t.Context(), nil)
			if err != nil || len(report.Findings) != 4 || !strings.HasSuffix(report.Findings[1].String(), "manifest.json was changed: its line ends were, as git does with core.autocrlf") {
				t.Errorf("verify of the files: %v, %v", report.Findings, err)
			}
		}
	}
}

// wantUnrewritten repairs a store that was rewritten as text, and checks that
// its history and document have the bytes of the original.
func wantUnrewritten(t *testing.T, original, dir string, stages map[string]mr.ModelStage) {
	t.Helper()
	report, err := openStore(t, dir, nil).Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"history.jsonl", "registry.json"} {
		want, err1 := os.ReadFile(modelPath(original, name))
		got, err2 := os.ReadFile(modelPath(dir, name))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s after %v (-want +got):\n%s", name, report.Actions, diff)
		}
	}
	if found := textFindings(t, dir); found != nil {
		for _, f := range found {
			if !strings.HasPrefix(f, "set aside") {
				t.Errorf("after the repair: %s", f)
			}
		}
	}
	wantStages(t, openStore(t, dir, nil), stages)
}

// What an editor does to a file that it saves as text is named, and undone by a
// repair.
func TestRewrittenByEditor(t *testing.T) {
	t.Parallel()
	mark := "\ufeff"
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	const marked = "a byte order mark was put in front, as an editor does"
	tests := map[string]struct {
		history, document func(string) string
		want              []string
	}{
		"newline added to the history": {
			history: func(s string) string { return s + "\n" },
			want:    []string{"history damaged: history.jsonl is corrupt at byte END: an empty line was added, as an editor does"},
		},
		"newline added to the document": {document: func(s string) string { return s + "\n" }},
		"byte order marks": {
			history:  func(s string) string { return mark + s },
			document: func(s string) string { return mark + s },
			want:     []string{"history damaged: history.jsonl is corrupt at byte 0: " + marked, "document damaged: registry.json is corrupt at byte 0: " + marked},
		},
		"byte order mark in the document alone": {
			document: func(s string) string { return mark + s },
			want:     []string{"document damaged: registry.json is corrupt at byte 0: " + marked},
		},
		"line ends of the document alone": {
			document: crlf,
			want:     []string{"external change: registry.json: line ends were changed, as git does with core.autocrlf"},
		},
		"everything at once": {
			history:  func(s string) string { return mark + crlf(s+"\n\n") },
			document: func(s string) string { return mark + crlf(s) },
			want: []string{"history damaged: history.jsonl is corrupt at byte 0: line ends were changed, as git does with core.autocrlf",
				"document damaged: registry.json is corrupt at byte 0: line ends were changed, as git does with core.autocrlf"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, original := withSharedAppend(t), t.TempDir()
			if err := os.CopyFS(original, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(modelPath(dir, "history.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			if tt.history != nil {
				edit(t, modelPath(dir, "history.jsonl"), tt.history)
			}
			if tt.document != nil {
				edit(t, modelPath(dir, "registry.json"), tt.document)
			}
			for i := range tt.want {
				tt.want[i] = strings.ReplaceAll(tt.want[i], "END", fmt.Sprint(info.Size()))
			}
			if diff := cmp.Diff(tt.want, textFindings(t, dir)); diff != "" {
				t.Errorf("verify (-want +got):\n%s", diff)
			}
			if tt.want != nil {
				wantUnrewritten(t, original, dir, threeStages)
			}
		})
	}
}

// A document that lags and was rewritten as text is brought up to date. The
// versions that it lacks stay.
func TestRewrittenWhileItLags(t *testing.T) {
	t.Parallel()
	dir := three(t)
	older, err := os.ReadFile(modelPath(dir, "registry.json"))
	if err != nil {
		t.Fatal(err)
	}
	register(t, openStore(t, dir, nil), "1.0.3", nil)
	original := t.TempDir()
	if err := os.CopyFS(original, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	writeFile(t, modelPath(dir, "registry.json"), "\ufeff"+string(older))
	edit(t, modelPath(dir, "history.jsonl"), func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") })
	stages := maps.Clone(threeStages)
	stages["1.0.3"] = mr.Development
	wantUnrewritten(t, original, dir, stages)
}

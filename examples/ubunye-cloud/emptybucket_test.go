package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry/examples/internal/cli"
)

// An emptyS3 answers as an S3 bucket does that has nothing below any prefix.
func emptyS3(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case q.Has("list-type"):
			io.WriteString(w, `<?xml version="1.0"?><ListBucketResult><Name>models</Name><IsTruncated>false</IsTruncated></ListBucketResult>`)
			return
		case q.Has("uploads"):
			io.WriteString(w, `<?xml version="1.0"?><ListMultipartUploadsResult><Bucket>models</Bucket><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>`)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestMistypedPrefixIsAnError(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "tester")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	store := "s3://models/mistyped?endpoint=" + emptyS3(t).URL + "&region=us-east-1&use_path_style=true"
	for _, command := range []string{"models list", "models list -u u", "models list -u u -m m", "models verify", "models verify -u u -m m",
		"models history -u u -m m", "models info -u u -m m -v 1.0.0", "models promote -u u -m m -v 1.0.0 --to staging", "models sweep",
		"lineage show --run-id r"} {
		t.Run(command, func(t *testing.T) {
			var out, errs strings.Builder
			status := cli.Run(t.Context(), append(strings.Fields(command), "-s", store, "--output", "json"), &out, &errs, cloud)
			var got struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
				t.Fatal(err)
			}
			if status != 1 || got.Error.Code != "not_found" || !strings.Contains(got.Error.Message, "mistyped") {
				t.Errorf("exit status %d, printed %q, want an error that the store was not found", status, &out)
			}
		})
	}
}

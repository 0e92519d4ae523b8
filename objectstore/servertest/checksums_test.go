package servertest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
)

// A pickyProxy stands before the S3 server and refuses headers, as other
// services do.
type pickyProxy struct {
	*httptest.Server
	refuse func(*http.Request) (header string)
	status int
	body   string // with the header in place of %s

	mu      sync.Mutex
	refused []string // requests and the header that each had
}

func newPickyProxy(t *testing.T, server string, p *pickyProxy, secure bool) {
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: server})
		r.Out.Host = r.In.Host // the host is signed
	}}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := p.refuse(r)
		if header == "" {
			forward.ServeHTTP(w, r)
			return
		}
		p.mu.Lock()
		p.refused = append(p.refused, r.Method+" "+header)
		p.mu.Unlock()
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(p.status)
		fmt.Fprintf(w, p.body, header)
	}))
	if secure {
		p.StartTLS()
	} else {
		p.Start()
	}
	t.Cleanup(p.Close)
}

// client returns a client of the server behind the proxy.
func (p *pickyProxy) client(calculation aws.RequestChecksumCalculation) *s3.Client {
	return s3Client(p.Listener.Addr().String(), func(o *s3.Options) {
		o.RequestChecksumCalculation = calculation
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported // as in a client made from a URL
		address := p.URL
		o.BaseEndpoint = &address
		o.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	})
}

// checksumHeader returns a header of a request that is about checksums, or "".
func checksumHeader(r *http.Request) string {
	for name := range r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-checksum-") || name == "x-amz-sdk-checksum-algorithm" || name == "x-amz-trailer" {
			return name
		}
	}
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") || strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		return "x-amz-content-sha256"
	}
	return ""
}

const s3Error = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`

// A service that refuses the checksums of the AWS SDK can be used. The answers
// are those of the services.
func TestServicesThatRefuseChecksums(t *testing.T) {
	t.Parallel()
	server := s3Server(t)
	services := []struct {
		name    string
		status  int
		body    string
		client  aws.RequestChecksumCalculation
		marker  bool // it checks the condition of a write before its headers, so that the marker tells nothing
		refused int  // at most so many requests; each process finds out by those under way
	}{
		{"Backblaze B2", 400, fmt.Sprintf(s3Error, "InvalidArgument", "Unsupported header '%s' received for this API call."), aws.RequestChecksumCalculationUnset, false, 2},
		{"Cloudflare R2", 501, fmt.Sprintf(s3Error, "NotImplemented", "Header '%s' with value 'CRC32' not implemented"), aws.RequestChecksumCalculationWhenSupported, false, 2},
		{"Ceph", 400, fmt.Sprintf(s3Error, "XAmzContentSHA256Mismatch", "%s"), aws.RequestChecksumCalculationUnset, false, 2},
		{"set by the user", 400, fmt.Sprintf(s3Error, "InvalidArgument", "%s"), aws.RequestChecksumCalculationWhenRequired, false, 0},
		{"checked late", 400, fmt.Sprintf(s3Error, "InvalidArgument", "%s"), aws.RequestChecksumCalculationUnset, true, 8},
	}
	for i, service := range services {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, https %t", service.name, secure), func(t *testing.T) {
				t.Parallel()
				p := &pickyProxy{status: service.status, body: service.body, refuse: func(r *http.Request) string {
					if service.marker && strings.HasSuffix(r.URL.Path, "/.modelregistry.json") {
						return ""
					}
					return checksumHeader(r)
				}}
				newPickyProxy(t, server, p, secure)
				prefix := fmt.Sprint(i, secure)
				open := func() *mr.ModelRegistry {
					s := storeAt(t, s3Bucket(t, p.client(service.client), bucket), prefix)
					t.Cleanup(func() { s.Close() })
					return mr.New(s, nil)
				}
				artifact := mr.FromFunc(func(dir string) error {
					return errors.Join(writeZeros(filepath.Join(dir, "large.bin"), 20<<20), os.WriteFile(filepath.Join(dir, "small.bin"), []byte("small"), 0o666))
				})
				for range 2 { // the second process finds the marker
					v, err := open().Register(t.Context(), fraud, artifact, nil)
					if err != nil {
						t.Fatalf("registering: %v", err)
					}
					r := open()
					m, err := r.GetModel(t.Context(), v.Ref(), &mr.GetOptions{Verify: true})
					if err != nil {
						t.Fatalf("getting: %v", err)
					}
					m.Close()
				}
				if n := len(p.refused); n > service.refused || n == 0 && service.refused > 0 {
					t.Errorf("refused requests: got %q, want at most %d", p.refused, service.refused)
				}
			})
		}
	}
}

// The error of a service that can't be used names the header that it refuses.
func TestRefusedHeaderIsNamed(t *testing.T) {
	t.Parallel()
	server := s3Server(t)
	for _, tt := range []struct {
		header      string
		conditional bool
	}{
		{"If-None-Match", true},
		{"Content-Type", false},
	} {
		p := &pickyProxy{status: 501, body: fmt.Sprintf(s3Error, "NotImplemented", "Header '%s' is not implemented"), refuse: func(r *http.Request) string {
			if r.Header.Get(tt.header) != "" {
				return tt.header
			}
			return ""
		}}
		newPickyProxy(t, server, p, false)
		b := s3Bucket(t, p.client(aws.RequestChecksumCalculationUnset), bucket)
		_, err := mr.New(storeAt(t, b, "refused"), nil).Register(t.Context(), fraud, mr.FromFS(files), nil)
		if err == nil || !strings.Contains(err.Error(), "NotImplemented: Header '"+tt.header) || errors.Is(err, objectstore.ErrNotConditional) != tt.conditional {
			t.Errorf("%s is refused: got error %v, want one with the header, that matches ErrNotConditional: %t", tt.header, err, tt.conditional)
		}
		if left := keys(t, b); len(left) > 0 {
			t.Errorf("%s is refused: %q are left", tt.header, left)
		}
	}
}

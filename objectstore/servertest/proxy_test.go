package servertest

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

// A faultProxy is a proxy between a client and a server that makes the faults
// of a network.
type faultProxy struct {
	addr string

	drop  atomic.Int64 // how many of a thousand answers are lost after the server did its work
	cut   atomic.Int64 // how many of a thousand uploads end half-way
	delay atomic.Int64 // how many of a thousand requests wait

	dropped, cuts, delayed atomic.Int64 // counts of these faults
	loseNext               atomic.Bool  // the answer to the next write is lost
}

func newProxy(t testing.TB, server string) *faultProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &faultProxy{addr: l.Addr().String()}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: server})
			r.Out.Host = r.In.Host // the host is signed
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		Transport:    &http.Transport{MaxIdleConnsPerHost: 64},
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if chance(&p.delay) {
			p.delayed.Add(1)
			time.Sleep(rand.N(50 * time.Millisecond))
		}
		writes := r.Method == http.MethodPut || r.Method == http.MethodPost
		if writes && r.ContentLength > 0 && chance(&p.cut) {
			p.cuts.Add(1)
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(r.Body, r.ContentLength/2), broken{}), r.Body}
		}
		if writes && p.loseNext.Swap(false) || chance(&p.drop) {
			p.dropped.Add(1)
			w = nowhere{w}
		}
		forward.ServeHTTP(w, r)
		if _, lost := w.(nowhere); lost {
			panic(http.ErrAbortHandler) // the connection breaks, instead of an answer
		}
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return p
}

func chance(perMille *atomic.Int64) bool { return rand.N(int64(1000)) < perMille.Load() }

// broken is the end of an upload that was cut off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// nowhere drops an answer.
type nowhere struct{ http.ResponseWriter }

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) WriteHeader(int)             {}
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

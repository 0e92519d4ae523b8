package objectstore

import (
	"net/http"

	"gocloud.dev/blob"
)

// The AWS SDK sends checksums with every upload, and asks for them with every
// download. Some other services with the API of S3 refuse the headers:
// Backblaze B2, Cloudflare R2, older releases of Ceph. The registry has digests
// of its own. So it asks for no checksums, and sends none if the service
// refused them.

// downloadOptions returns the options of a download.
func (s *Store) downloadOptions() *blob.ReaderOptions {
	if s.s3 == nil {
		return nil
	}
	return s.s3.Reading()
}

// withServiceOptions adds the options that S3 needs to those of an upload.
func (s *Store) withServiceOptions(opts *blob.WriterOptions) *blob.WriterOptions {
	if s.s3 != nil {
		s.s3.Writing(opts, !s.noChecksums.Load())
	}
	return opts
}

// retryWithoutChecksums calls fn, which uploads. If the service refuses the
// request, and the checksums may be the reason, it calls fn again without them.
// If that helps, the store sends no checksums from then on.
func (s *Store) retryWithoutChecksums(fn func() error) error {
	known := s.noChecksums.Load()
	err := fn()
	if known || s.s3 == nil || !mayRefuseChecksums(err) {
		return err
	}
	s.noChecksums.Store(true)
	if err = fn(); mayRefuseChecksums(err) {
		s.noChecksums.Store(false)
	}
	return err
}

// mayRefuseChecksums reports whether an error can mean that the service refuses
// the headers of checksums. No code says so: B2 answers 400 InvalidArgument, R2
// 501 NotImplemented, Ceph 400 XAmzContentSHA256Mismatch. A service that does
// not know the headers may compute another signature.
func mayRefuseChecksums(err error) bool {
	if err == nil || lost(err) || apiCode(err) == "RequestTimeout" {
		return false
	}
	switch status(err) {
	case http.StatusBadRequest, http.StatusLengthRequired, http.StatusNotImplemented:
		return true
	}
	return apiCode(err) == "SignatureDoesNotMatch"
}

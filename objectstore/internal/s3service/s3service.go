// Package s3service does with S3, and services with its API, what
// gocloud.dev's driver has no function for. It knows buckets and keys, and no
// models.
package s3service

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
)

// A Service is the service that has a bucket.
type Service struct {
	bucket *blob.Bucket
	client *s3.Client
}

// Of returns the service that has a bucket, or nil if it is not S3.
func Of(bucket *blob.Bucket) *Service {
	var client *s3.Client
	if !bucket.As(&client) {
		return nil
	}
	return &Service{bucket, client}
}

// abortFor bounds how long the removal of the parts of a failed upload may
// take.
const abortFor = 5 * time.Second

// Writing changes the options of an upload. If the upload of a file in parts
// fails, its parts are removed even if its context has ended. Without
// checksums, requests have no header for a checksum, which some services
// refuse. The signature of a request has a digest of its bytes all the same.
//
// The driver makes a transfer manager for each upload, and leaves out the
// settings of the client. Writing replaces that transfer manager.
func (s *Service) Writing(opts *blob.WriterOptions, checksums bool) {
	opts.BeforeWrite = func(as func(any) bool) error {
		var manager *transfermanager.Client
		if !as(&manager) {
			return nil
		}
		*manager = *transfermanager.New(s.client, func(o *transfermanager.Options) {
			o.PartSizeBytes, o.Concurrency = int64(opts.BufferSize), opts.MaxConcurrency
			o.FailTimeout = abortFor
			o.RequestChecksumCalculation = s.client.Options().RequestChecksumCalculation
			if !checksums {
				o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			}
		})
		return nil
	}
}

// Reading returns the options of a download. The service is not asked for
// checksums, because some services refuse the header.
func (s *Service) Reading() *blob.ReaderOptions {
	return &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		var opts *[]func(*s3.Options)
		if as(&opts) {
			*opts = append(*opts, func(o *s3.Options) { o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired })
		}
		return nil
	}}
}

package s3service

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
)

// An Upload is the upload of an object in parts that was begun, and neither
// completed nor aborted.
type Upload struct {
	Key   string // below the listed prefix
	ID    string
	Begun time.Time

	bucket, key string // as the service knows them
}

// A Page is a part of a listing of uploads.
type Page struct {
	Uploads []Upload
	next    *s3.ListMultipartUploadsInput
}

// Next returns whether there is another page.
func (p *Page) Next() bool { return p.next != nil }

// Uploads lists the uploads in parts whose keys begin with a prefix: the first
// page, or the one after a page.
func (s *Service) Uploads(ctx context.Context, prefix string, after *Page) (*Page, error) {
	bucket, place, err := s.locate(ctx, prefix)
	if err != nil {
		return nil, err
	}
	in := &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket), Prefix: aws.String(place)}
	if after != nil {
		in = after.next
	}
	out, err := s.client.ListMultipartUploads(ctx, in)
	if err != nil {
		return nil, err
	}
	page := &Page{}
	for _, u := range out.Uploads {
		key, ok := strings.CutPrefix(aws.ToString(u.Key), place)
		if ok && u.Initiated != nil {
			page.Uploads = append(page.Uploads, Upload{key, aws.ToString(u.UploadId), *u.Initiated, bucket, aws.ToString(u.Key)})
		}
	}
	if aws.ToBool(out.IsTruncated) && aws.ToString(out.NextKeyMarker) != "" {
		// Versitygw 1.8 refuses the id of an upload as a marker. Without it, a
		// page begins after the key, and may leave out uploads of that same
		// key. A later listing shows them.
		page.next = &s3.ListMultipartUploadsInput{Bucket: in.Bucket, Prefix: in.Prefix, KeyMarker: out.NextKeyMarker}
	}
	return page, nil
}

// Parts returns the size of the parts of an upload, and the time of the newest
// one, or of the begin of the upload.
func (s *Service) Parts(ctx context.Context, u Upload) (size int64, newest time.Time, err error) {
	newest = u.Begun
	in := &s3.ListPartsInput{Bucket: aws.String(u.bucket), Key: aws.String(u.key), UploadId: aws.String(u.ID)}
	for pages := s3.NewListPartsPaginator(s.client, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, newest, err
		}
		for _, part := range page.Parts {
			size += aws.ToInt64(part.Size)
			if at := aws.ToTime(part.LastModified); at.After(newest) {
				newest = at
			}
		}
	}
	return size, newest, nil
}

// Abort ends an upload, and removes its parts.
func (s *Service) Abort(ctx context.Context, u Upload) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: aws.String(u.bucket), Key: aws.String(u.key), UploadId: aws.String(u.ID),
	})
	return err
}

// errLocated ends a listing before its request.
var errLocated = errors.New("located")

// locate returns the name of the bucket, and a prefix of keys as the service
// knows it. Only the driver has both. It shows them before a listing, which is
// then not requested.
func (s *Service) locate(ctx context.Context, prefix string) (bucket, place string, err error) {
	located := false
	_, _, err = s.bucket.ListPage(ctx, blob.FirstPageToken, 1, &blob.ListOptions{Prefix: prefix, BeforeList: func(as func(any) bool) error {
		var in *s3.ListObjectsV2Input
		var legacy *s3.ListObjectsInput
		switch {
		case as(&in):
			bucket, place = aws.ToString(in.Bucket), aws.ToString(in.Prefix)
		case as(&legacy):
			bucket, place = aws.ToString(legacy.Bucket), aws.ToString(legacy.Prefix)
		}
		located = bucket != ""
		return errLocated
	}})
	if located {
		return bucket, place, nil
	}
	return "", "", err
}

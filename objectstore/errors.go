package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gocloud.dev/gcerrors"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/logformat"
)

// These are errors that a program can test for with errors.Is. A missing
// permission is fs.ErrPermission.
var (
	// ErrNoBucket says that the bucket does not exist.
	ErrNoBucket = errors.New("no such bucket")
	// ErrRegion says that the bucket is in another region than the one that was
	// asked.
	ErrRegion = errors.New("wrong region for the bucket")
	// ErrNotConditional says that the bucket does not support creating an
	// object only if none of that name exists. Without it, changes would be
	// lost.
	ErrNotConditional = errors.New("the bucket does not support conditional writes")
	// ErrForeign says that there are other objects than a registry's under the
	// prefix, or a registry of a later format.
	ErrForeign = errors.New("not a registry of this format")
	// ErrSwept says that Sweep removed the files of a registration before its
	// change was made, because it treated the registration as dead.
	ErrSwept = errors.New("the uploaded files were swept away")
	// ErrContention says that other writers changed the model first, a thousand
	// times in a row. Nothing was changed, and the caller may try again.
	ErrContention = errors.New("too many writers at once")
)

// A MissingChangeError says which change of a history is missing. The error of
// a call wraps it in a *[mr.CorruptError].
type MissingChangeError struct {
	Number int64
	Key    string // of its object
}

func (e *MissingChangeError) Error() string {
	return fmt.Sprintf("change %d (%s) is missing: %s", e.Number, e.Key, logformat.LossCause)
}

// An Error is the error of a request to the bucket.
type Error struct {
	Op  string // "get", "put", …
	Key string // the object, or the prefix of a listing
	Err error
}

func (e *Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%s bucket: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Op, e.Key, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// fail gives a request's error its subject, and a cause that a program can test
// for.
func fail(op, key string, err error) error {
	if err == nil {
		return nil
	}
	var already *Error
	var local *CacheError
	if errors.As(err, &already) || errors.As(err, &local) {
		return err
	}
	switch {
	case wrongRegion(err):
		err = fmt.Errorf("%w: %w", ErrRegion, err)
	case noBucket(err):
		err = fmt.Errorf("%w: %w", ErrNoBucket, err)
	case denied(err):
		err = fmt.Errorf("%w: %w", fs.ErrPermission, err)
	case missing(err):
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return &Error{op, key, err}
}

// apiCode returns the provider's own code of an error, if it has one. The AWS
// SDK has a method for it, so that no driver need be linked. For other
// providers the code is in the text.
func apiCode(err error) string {
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// inText matches the status in the text of an error of the Azure and Google
// SDKs.
var inText = regexp.MustCompile(`(?:\nRESPONSE|googleapi: Error|googleapi: got HTTP response code) (\d{3})\b`)

func status(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	if found := inText.FindStringSubmatch(err.Error()); found != nil {
		code, _ := strconv.Atoi(found[1])
		return code
	}
	return 0
}

func wrongRegion(err error) bool {
	return slices.Contains([]string{"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "IncorrectEndpoint"}, apiCode(err)) ||
		status(err) == http.StatusMovedPermanently
}

func noBucket(err error) bool {
	if apiCode(err) == "NoSuchBucket" {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "ContainerNotFound") || strings.Contains(text, "bucket doesn't exist")
}

func denied(err error) bool {
	if apiCode(err) == "XAdminUserNotFound" { // Versity's code for an unknown key, with status 404
		return true
	}
	return codeOf(err) == gcerrors.PermissionDenied || status(err) == http.StatusForbidden || status(err) == http.StatusUnauthorized
}

// codeOf returns the library's code of an error. For any failed request, its
// driver for S3 reports a bucket that does not exist if "301" occurs anywhere
// in the error's text, such as in the request's id, a port or an address. In
// that case the status decides.
func codeOf(err error) gcerrors.ErrorCode {
	code := gcerrors.Code(err)
	var request interface{ Service() string } // the AWS SDK's
	if code != gcerrors.NotFound || !errors.As(err, &request) {
		return code
	}
	switch status(err) {
	case http.StatusNotFound, http.StatusMovedPermanently:
		return gcerrors.NotFound
	case http.StatusPreconditionFailed:
		return gcerrors.FailedPrecondition
	case http.StatusForbidden:
		return gcerrors.PermissionDenied
	}
	return gcerrors.Unknown
}

func missing(err error) bool { return codeOf(err) == gcerrors.NotFound }

// lost reports whether a conditional write found that the name exists, or that
// another writer is about to create it. S3 reports the latter with status 409,
// for which the library has no code.
func lost(err error) bool {
	return codeOf(err) == gcerrors.FailedPrecondition || apiCode(err) == "ConditionalRequestConflict" || status(err) == http.StatusConflict
}

// final reports whether trying again is useless: the service understood the
// request and refused it, or the caller no longer waits.
func final(ctx context.Context, err error) bool {
	if ctx.Err() != nil || denied(err) || missing(err) || noBucket(err) || wrongRegion(err) {
		return true
	}
	var local *fs.PathError
	var cached *CacheError
	if errors.Is(err, mr.ErrArtifact) || errors.As(err, &local) || errors.As(err, &cached) { // the stored files are wrong, or this machine's disk failed
		return true
	}
	switch codeOf(err) {
	case gcerrors.FailedPrecondition, gcerrors.InvalidArgument, gcerrors.Unimplemented:
		return true
	}
	code := status(err)
	return code >= 400 && code < 500 && !slices.Contains([]int{http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests}, code)
}

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
)

// Errors that a program can test for, with errors.Is. A missing right is
// fs.ErrPermission.
var (
	// ErrNoBucket says that the bucket is not there.
	ErrNoBucket = errors.New("no such bucket")
	// ErrRegion says that the bucket lies in another region than the one that
	// was asked.
	ErrRegion = errors.New("wrong region for the bucket")
	// ErrNotConditional says that the bucket does not honour "only if there is
	// none of that name", without which changes would be lost.
	ErrNotConditional = errors.New("the bucket does not support conditional writes")
	// ErrForeign says that something else than a registry lies under the
	// prefix, or one of a later format.
	ErrForeign = errors.New("not a registry of this format")
	// ErrSwept says that the files of a registration were cleared away before
	// it came to its turn: Sweep took it for dead.
	ErrSwept = errors.New("the uploaded files were swept away")
	// ErrContention says that others changed the model first each time, a
	// thousand times in a row. Nothing was changed, and it can be tried again.
	ErrContention = errors.New("too many writers at once")
)

// An Error is the error of a request to the bucket.
type Error struct {
	Op  string // "get", "put", …
	Key string // the object, or what the names began with
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

// fail gives a request's error its subject and a cause that can be decided by.
func fail(op, key string, err error) error {
	if err == nil {
		return nil
	}
	var already *Error
	if errors.As(err, &already) {
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

// apiCode returns the provider's own word for an error, if it has one. The AWS
// SDK offers it by a method, so that no driver need be linked; of others it is
// in the text.
func apiCode(err error) string {
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// inText is how the SDKs of Azure and Google write a status into an error's
// text.
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
	if apiCode(err) == "XAdminUserNotFound" { // Versity's word for an unknown key, by 404
		return true
	}
	return codeOf(err) == gcerrors.PermissionDenied || status(err) == http.StatusForbidden || status(err) == http.StatusUnauthorized
}

// codeOf returns the library's code of an error. Its driver for S3 takes any
// failed request for one to a bucket that does not exist if "301" stands
// anywhere in the error's text: in the request's id, a port or an address.
// There the status tells.
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

// lost reports whether a conditional write found the name taken, or another
// writer about to take it: S3 says the latter by 409, which has no code of the
// library's.
func lost(err error) bool {
	return codeOf(err) == gcerrors.FailedPrecondition || apiCode(err) == "ConditionalRequestConflict" || status(err) == http.StatusConflict
}

// final reports whether trying again is of no use: the request was understood
// and refused, or its caller no longer waits.
func final(ctx context.Context, err error) bool {
	if ctx.Err() != nil || denied(err) || missing(err) || noBucket(err) || wrongRegion(err) {
		return true
	}
	var local *fs.PathError
	if errors.Is(err, mr.ErrArtifact) || errors.As(err, &local) { // what is stored is wrong, or this machine's disk
		return true
	}
	switch codeOf(err) {
	case gcerrors.FailedPrecondition, gcerrors.InvalidArgument, gcerrors.Unimplemented:
		return true
	}
	code := status(err)
	return code >= 400 && code < 500 && !slices.Contains([]int{http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests}, code)
}

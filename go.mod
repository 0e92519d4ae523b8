module github.com/ubunye-go/modelregistry

go 1.25.0

require (
	github.com/Masterminds/semver/v3 v3.5.0
	github.com/gofrs/flock v0.13.1
	github.com/google/go-cmp v0.7.0
)

require golang.org/x/sys v0.47.0 // indirect

module github.com/ubunye-go/modelregistry/proofs

go 1.25.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/gofrs/flock v0.13.1
	github.com/google/go-cmp v0.7.0
	github.com/ubunye-go/modelregistry v0.0.0
	golang.org/x/sys v0.47.0
)

require github.com/Masterminds/semver/v3 v3.5.0 // indirect

replace github.com/ubunye-go/modelregistry => ..

package servertest

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"

	"github.com/ubunye-go/modelregistry/internal/storetest"
	"github.com/ubunye-go/modelregistry/internal/testfetch"
)

// azuriteFiles name Azurite and the packages that it needs, with their digests.
// After a change of package.json, "npm install --package-lock-only" updates the
// lock file.
//
//go:embed testdata/azurite/package.json testdata/azurite/package-lock.json
var azuriteFiles embed.FS

// errNotFetched says why a test that needs Azurite is skipped.
var errNotFetched = errors.New("no Azurite on this machine; -long fetches it from npm")

// azurite returns the path of the emulator. A machine downloads it once.
func azurite(t testing.TB) (program string) {
	t.Helper()
	files, err := fs.Sub(azuriteFiles, "testdata/azurite")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := fs.ReadFile(files, "package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := testfetch.Dir("azurite", lock, func(dir string) error {
		if !*long && !storetest.MustRunAll() {
			return errNotFetched
		}
		if err := os.CopyFS(dir, files); err != nil {
			return err
		}
		ci := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		ci.Dir = dir
		if out, err := ci.CombinedOutput(); err != nil {
			return fmt.Errorf("npm ci: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		storetest.Unavailable(t, err)
	}
	return filepath.Join(dir, "node_modules", ".bin", "azurite-blob")
}

// The account that every Azurite has, with its published key.
const (
	azureAccount = "devstoreaccount1"
	azureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// azureServer starts the emulator and makes a container.
func azureServer(t testing.TB) (addr string) {
	t.Helper()
	program, addr := azurite(t), freeAddr(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	start(t, addr, exec.Command(program, "--silent", "--skipApiVersionCheck", "--inMemoryPersistence", "--blobHost", host, "--blobPort", port))
	if _, err := azureClient(t, addr, bucket, azureKey).Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return addr
}

func azureClient(t testing.TB, addr, name, key string) *container.Client {
	t.Helper()
	credential, err := container.NewSharedKeyCredential(azureAccount, key)
	if err != nil {
		t.Fatal(err)
	}
	quick := &container.ClientOptions{ClientOptions: policy.ClientOptions{Retry: policy.RetryOptions{RetryDelay: 10 * time.Millisecond}}}
	client, err := container.NewClientWithSharedKeyCredential(fmt.Sprintf("http://%s/%s/%s", addr, azureAccount, name), credential, quick)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func azureBucket(t testing.TB, client *container.Client) *blob.Bucket {
	t.Helper()
	b, err := azureblob.OpenBucket(t.Context(), client, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// Azurite is an emulator. The test shows that the driver and this store fit
// together.
func TestAzureConforms(t *testing.T) {
	t.Parallel()
	server := azureServer(t)
	conforms(t, server, func(addr string) *blob.Bucket { return azureBucket(t, azureClient(t, addr, bucket, azureKey)) })
}

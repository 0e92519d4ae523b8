package servertest

import (
	"fmt"
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
)

// azuriteVersion is fetched from npm, once a machine.
const azuriteVersion = "3.35.0"

// azurite returns the command that starts the emulator.
func azurite(t testing.TB) (program string) {
	t.Helper()
	if path, err := exec.LookPath("azurite-blob"); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		unavailable(t, "no folder to keep Azurite in: %v", err)
	}
	dir := filepath.Join(cache, "modelregistry-servertest", "azurite-"+azuriteVersion)
	program = filepath.Join(dir, "node_modules", ".bin", "azurite-blob")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		unavailable(t, "Azurite needs Node.js: %v", err)
	}
	if !*long && os.Getenv("MODELREGISTRY_TEST_ALL") != "1" {
		t.Skip("Azurite is not installed; -long fetches it from npm")
	}
	if out, err := exec.Command(npm, "install", "--no-audit", "--no-fund", "--prefix", dir, "azurite@"+azuriteVersion).CombinedOutput(); err != nil {
		unavailable(t, "fetching Azurite: %v: %s", err, out)
	}
	return program
}

// The account that every Azurite has, and its published key.
const (
	azureAccount = "devstoreaccount1"
	azureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// azureServer starts the emulator, and makes a container.
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

// Azure is an emulator: what it proves is that the driver and this store fit.
func TestAzureConforms(t *testing.T) {
	t.Parallel()
	server := azureServer(t)
	conforms(t, server, func(addr string) *blob.Bucket { return azureBucket(t, azureClient(t, addr, bucket, azureKey)) })
}

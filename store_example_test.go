package revv_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

func ExampleNewMemoryStore() {
	ctx := context.Background()
	store := revv.NewMemoryStore()
	_, err := store.Load(ctx, "legal@example.com")
	fmt.Println(errors.Is(err, revv.ErrNoToken))

	// Update can also store a pair that was obtained elsewhere.
	_, err = store.Update(ctx, "legal@example.com", func(current *oauth2.Token) (*oauth2.Token, error) {
		if current != nil {
			return current, nil // keep what is there
		}
		return &oauth2.Token{AccessToken: "access", RefreshToken: "refresh"}, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	token, err := store.Load(ctx, "legal@example.com")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.RefreshToken)
	// Output:
	// true
	// refresh
}

func ExampleNewFileStore() {
	// Every process on the machine that opens this directory shares its tokens.
	dir := filepath.Join(os.TempDir(), "revv-example", "tokens")
	defer func() { _ = os.RemoveAll(filepath.Dir(dir)) }()
	store, err := revv.NewFileStore(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = store.Load(context.Background(), "legal@example.com")
	fmt.Println(err)
	// Output: revv: FileStore.Load: no token
}

func ExampleNewEncryptedStore() {
	// In a program the key comes from a place that keeps secrets, as 32 random bytes.
	key := make([]byte, 32)
	_, _ = rand.Read(key)

	inner := revv.NewMemoryStore() // or a FileStore, or one of your own
	store, err := revv.NewEncryptedStore(inner, key)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	_, err = store.Update(ctx, "legal@example.com", func(*oauth2.Token) (*oauth2.Token, error) {
		return &oauth2.Token{AccessToken: "access", RefreshToken: "refresh"}, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	opened, _ := store.Load(ctx, "legal@example.com")
	sealed, _ := inner.Load(ctx, "legal@example.com")
	fmt.Println(opened.RefreshToken, "is kept as a token of type", sealed.TokenType)
	// Output: refresh is kept as a token of type sealed
}

// The owner of an account disconnects it.
func ExampleFileStore_Forget() {
	dir, err := os.MkdirTemp("", "revv-example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	files, err := revv.NewFileStore(dir)
	if err != nil {
		log.Fatal(err)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	sealed, err := revv.NewEncryptedStore(revv.NewMemoryStore(), key)
	if err != nil {
		log.Fatal(err)
	}
	ctx, memory := context.Background(), revv.NewMemoryStore()
	for _, store := range []revv.TokenStore{files, sealed, memory} {
		if err := revv.SaveToken(ctx, store, "legal@example.com", &oauth2.Token{AccessToken: "access", RefreshToken: "refresh"}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(files.Forget(ctx, "legal@example.com"), sealed.Forget(ctx, "legal@example.com"), memory.Forget(ctx, "legal@example.com"))
	_, err = files.Load(ctx, "legal@example.com")
	fmt.Println(errors.Is(err, revv.ErrNoToken))
	// Output:
	// <nil> <nil> <nil>
	// true
}

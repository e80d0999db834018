package revv_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func ExampleTemplatesService_List() {
	server := revvtest.NewServer(nil)
	defer server.Close()

	page, err := server.Client().Templates.List(context.Background(), revv.ListTemplatesParams{Status: revv.ActiveTemplates})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, template := range page.Items {
		fmt.Println(template.ID, template.Title)
	}
	// Output:
	// 21 Service agreement
	// 22 Offer letter
	// 23 Mutual NDA
}

func ExampleFoldersService_Create() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()

	folder, err := client.Folders.Create(ctx, revv.CreateFolderParams{Name: "Acme"})
	if err != nil {
		fmt.Println(err)
		return
	}
	below, err := client.Folders.Create(ctx, revv.CreateFolderParams{Name: "2021", ParentID: folder.ID})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(folder.Name, below.Name)
	// Output: Acme 2021
}

// Documents are in the same listing: a page can have no folder and still not be the last.
func ExampleFoldersService_List() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	server.AddDocument(21, "Agreement with Acme")

	page, err := server.Client().Folders.List(context.Background(), revv.ListFoldersParams{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(page.Items), page.Entries, page.Last())
	// Output: 0 1 false
}

func ExampleFoldersService_Delete() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	server.AddFolder("Acme", 0)
	server.AddFolder("Globex", 0)

	for folder, err := range client.Folders.All(ctx, revv.ListFoldersParams{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if folder.Name == "Acme" {
			if err := client.Folders.Delete(ctx, folder.ID); err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println("deleted", folder.Name)
		}
	}
	// Output: deleted Acme
}

// A nil member is left alone, "" clears the value.
func ExampleContactsService_Upsert() {
	server := revvtest.NewServer(nil, revvtest.WithoutSeedData())
	defer server.Close()
	client, ctx := server.Client(), context.Background()

	first, err := client.Contacts.Upsert(ctx, revv.UpsertContactParams{
		Name: "Ann Example", Email: "ann@example.com", Phone: new("+1 555 0100"), Type: revv.ContactIndividual,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	second, err := client.Contacts.Upsert(ctx, revv.UpsertContactParams{Name: "Ann Example", Email: "ann@example.com", Title: new("Counsel")})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(first.ID == second.ID, second.Title, second.Phone)
	// Output: true Counsel +1 555 0100
}

// An address can occur twice: then only the list shows both contacts.
func ExampleContactsService_GetByEmail() {
	server := revvtest.NewServer(nil, revvtest.WithoutSeedData())
	defer server.Close()
	server.AddContact(revvtest.Contact{Name: "Ann Example", Email: "ann@example.com"})
	server.AddContact(revvtest.Contact{Name: "Ann (old)", Email: "ann@example.com"})
	client, ctx := server.Client(), context.Background()

	_, err := client.Contacts.GetByEmail(ctx, "ann@example.com")
	fmt.Println(errors.Is(err, revv.ErrConflict))
	for contact, err := range client.Contacts.All(ctx, revv.ListContactsParams{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(contact.Name)
	}
	// Output:
	// true
	// Ann Example
	// Ann (old)
}

func ExampleContactsService_Delete() {
	server := revvtest.NewServer(nil, revvtest.WithoutSeedData())
	defer server.Close()
	id := server.AddContact(revvtest.Contact{Name: "Ann Example", Email: "ann@example.com"})
	client, ctx := server.Client(), context.Background()

	contact, err := client.Contacts.Get(ctx, id)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := client.Contacts.Delete(ctx, contact.ID); err != nil {
		fmt.Println(err)
		return
	}
	page, err := client.Contacts.List(ctx, revv.ListContactsParams{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(contact.Name, "is gone:", len(page.Items) == 0)
	// Output: Ann Example is gone: true
}

func ExampleWebhooksService_Subscribe() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()

	hook, err := client.Webhooks.Subscribe(ctx, revv.SubscribeParams{Event: revv.EventClosed, URL: "https://hooks.example.com/revv/the-secret-segment"})
	if err != nil {
		fmt.Println(err)
		return
	}
	hooks, err := client.Webhooks.List(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(hooks), hooks[0].Event)
	fmt.Println(client.Webhooks.Unsubscribe(ctx, hook.ID))
	// Output:
	// 1 DOCUMENT_CLOSED
	// <nil>
}

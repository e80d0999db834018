// First lists the active templates of an account.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/revv-go/revv"
)

func main() {
	client, err := revv.NewClient(revv.StaticToken(os.Getenv("REVV_ACCESS_TOKEN")), revv.WithBaseURL(os.Getenv("REVV_BASE_URL")))
	if err != nil {
		log.Fatal(err)
	}
	for template, err := range client.Templates.All(context.Background(), revv.ListTemplatesParams{Status: revv.ActiveTemplates}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(template.ID, template.Title)
	}
}

package sides

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/go-github/v89/github"

	"github.com/revv-go/revv/bench/world"
)

const githubIssue = `{"id":%d,"number":%d,"state":"open","locked":false,"title":"Lease of the flat in Elm Street","body":"To be signed by both parties","comments":3,` +
	`"user":{"login":"tenant","id":7,"type":"User","url":"https://example.com/users/tenant","site_admin":false},"labels":[{"id":1,"name":"lease","color":"f29513"}],` +
	`"created_at":"2021-06-14T09:30:00Z","updated_at":"2021-06-15T10:31:01Z","url":"https://example.com/repos/o/r/issues/1"}`

// GitHub is go-github.
func GitHub() (Rival, error) {
	issue := fmt.Appendf(nil, strings.Replace(githubIssue, "To be signed", strings.Repeat("x", padding), 1), 1, 14)
	comment := []byte(`{"id":1,"body":"` + strings.Repeat("x", longTitle) + `","user":{"login":"tenant","id":7},"created_at":"2021-06-14T09:30:00Z"}`)
	pages := world.Pages(ListPages, PageItems, func(b []byte, i int) []byte { return fmt.Appendf(b, githubIssue, i+1, i+1) }, func(list []byte, _ int) []byte { return list })
	answer := func(r *http.Request) world.Reply {
		switch {
		case strings.HasSuffix(r.URL.Path, "/issues/14"):
			return world.JSON(issue)
		case !strings.HasSuffix(r.URL.Path, "/issues"):
			return world.JSON(comment)
		}
		page := max(1, atoi(r.URL.Query().Get("page")))
		reply := world.JSON(pages[min(page, len(pages))-1])
		if page <= ListPages {
			reply.Header["Link"] = []string{fmt.Sprintf(`<https://example.com/issues?page=%d>; rel="next", <https://example.com/issues?page=%d>; rel="last"`, page+1, ListPages+1)}
		}
		return reply
	}
	return Rival{
		Name: "go-github", Module: "github.com/google/go-github/v89", Answer: answer,
		Connect: func(base string, transport http.RoundTripper) (client, floor Operations, err error) {
			c, err := github.NewClient(github.WithHTTPClient(&http.Client{Transport: transport}), github.WithAuthToken(Token), github.WithEnterpriseURLs(base, base))
			if err != nil {
				return client, floor, err
			}
			return githubOperations(c), githubFloor(newFloor(base+"/api/v3", transport)), nil
		},
		Plain: func(base string) (Operations, error) {
			c, err := github.NewClient(github.WithAuthToken(Token), github.WithEnterpriseURLs(base, base))
			if err != nil {
				return Operations{}, err
			}
			return githubOperations(c), nil
		},
	}, nil
}

// atoi is the number that a text holds, 0 if it holds none.
func atoi(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

func checkIssue(i *github.Issue) error {
	return decoded(i.GetNumber() == 14 && i.GetUser().GetLogin() == "tenant" && len(i.Labels) == 1 && i.GetUpdatedAt().Minute() == 31)
}

func issueIndex(i **github.Issue) int { return (*i).GetNumber() - 1 }

func githubOperations(c *github.Client) Operations {
	text := strings.Repeat("x", longTitle)
	body, header := githubEvent()
	list := func(ctx context.Context, item func(int) error) error {
		options := &github.IssueListByRepoOptions{ListOptions: github.ListOptions{Page: 1, PerPage: PageItems}}
		for {
			issues, resp, err := c.Issues.ListByRepo(ctx, "o", "r", options)
			if err != nil {
				return err
			}
			if err := each(issues, issueIndex, item); err != nil {
				return err
			}
			if resp.NextPage == 0 {
				return nil
			}
			options.ListOptions.Page = resp.NextPage
		}
	}
	return Operations{
		Get: func(ctx context.Context) error {
			issue, _, err := c.Issues.Get(ctx, "o", "r", 14)
			if err != nil {
				return err
			}
			return checkIssue(issue)
		},
		Post: func(ctx context.Context) error {
			comment, _, err := c.Issues.CreateComment(ctx, "o", "r", 14, &github.IssueComment{Body: &text})
			if err != nil {
				return err
			}
			return decoded(comment.GetUser().GetID() == 7)
		},
		List: list, Serial: list,
		Webhook: func(ctx context.Context) error {
			r, err := delivery(ctx, body, header)
			if err != nil {
				return err
			}
			payload, err := github.ValidatePayload(r, []byte(signingSecret))
			if err != nil {
				return err
			}
			event, err := github.ParseWebHook(github.WebHookType(r), payload)
			if err != nil {
				return err
			}
			issues, ok := event.(*github.IssuesEvent)
			return decoded(ok && issues.GetIssue().GetNumber() == 14)
		},
	}
}

// githubEvent is an event of 2 KB with its headers.
func githubEvent() ([]byte, http.Header) {
	issue := fmt.Sprintf(strings.Replace(githubIssue, "To be signed", strings.Repeat("x", webhookBytes-800), 1), 1, 14)
	body := `{"action":"opened","issue":` + issue + `,"repository":{"id":1,"name":"r","full_name":"o/r","private":true},"sender":{"login":"tenant","id":7}}`
	return []byte(body), http.Header{"Content-Type": {"application/json"}, "X-Github-Event": {"issues"}, "X-Hub-Signature-256": {"sha256=" + signature(body)}}
}

func githubFloor(f floor) Operations {
	text := strings.Repeat("x", longTitle)
	body, header := githubEvent()
	return Operations{
		Get: func(ctx context.Context) error {
			var issue github.Issue
			if _, err := f.call(ctx, http.MethodGet, "/repos/o/r/issues/14", nil, &issue); err != nil {
				return err
			}
			return checkIssue(&issue)
		},
		Post: func(ctx context.Context) error {
			var comment github.IssueComment
			if _, err := f.call(ctx, http.MethodPost, "/repos/o/r/issues/14/comments", &github.IssueComment{Body: &text}, &comment); err != nil {
				return err
			}
			return decoded(comment.GetUser().GetID() == 7)
		},
		List: func(ctx context.Context, item func(int) error) error {
			for page := 1; ; page++ {
				var issues []*github.Issue
				header, err := f.call(ctx, http.MethodGet, "/repos/o/r/issues?per_page=100&page="+strconv.Itoa(page), nil, &issues)
				if err != nil {
					return err
				}
				if err := each(issues, issueIndex, item); err != nil {
					return err
				}
				if !strings.Contains(header.Get("Link"), `rel="next"`) {
					return nil
				}
			}
		},
		Webhook: func(ctx context.Context) error {
			r, err := delivery(ctx, body, header)
			if err != nil {
				return err
			}
			payload, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			if err := checkSignature(strings.TrimPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256="), string(payload)); err != nil {
				return err
			}
			var event github.IssuesEvent
			if err := json.Unmarshal(payload, &event); err != nil {
				return err
			}
			return decoded(event.GetIssue().GetNumber() == 14)
		},
	}
}

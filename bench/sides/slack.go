package sides

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"

	"github.com/revv-go/revv/bench/world"
)

const slackUser = `{"id":"U%d","team_id":"T012AB3C4","name":"tenant%d","deleted":false,"color":"9f69e7","real_name":"Tenant Example","tz":"Europe/Berlin",` +
	`"tz_label":"Central European Time","tz_offset":3600,"profile":{"real_name":"Tenant Example","display_name":"tenant","avatar_hash":"ge3b51ca72de",` +
	`"status_text":"Signing","email":"tenant@example.com","image_24":"https://example.com/24.png","team":"T012AB3C4"},"is_bot":false,"updated":1623753061}`

// padding makes an object of about 1 KB.
const padding = 600

// Slack is slack-go, whose calls are forms that are posted.
func Slack() (Rival, error) {
	user := fmt.Appendf(nil, `{"ok":true,"user":`+strings.Replace(slackUser, `"Signing"`, `"`+strings.Repeat("s", padding)+`"`, 1)+`}`, 0, 0)
	posted := []byte(`{"ok":true,"channel":"C1","ts":"1623753061.000100","message":{"type":"message","user":"U0","text":"` + strings.Repeat("x", longTitle) + `"}}`)
	pages := world.Pages(ListPages, PageItems, func(b []byte, i int) []byte { return fmt.Appendf(b, slackUser, i, i) }, func(list []byte, page int) []byte {
		cursor := ""
		if page <= ListPages {
			cursor = strconv.Itoa(page + 1)
		}
		return fmt.Appendf(nil, `{"ok":true,"members":%s,"response_metadata":{"next_cursor":%q}}`, list, cursor)
	})
	answer := func(r *http.Request) world.Reply {
		switch r.URL.Path {
		case "/users.info":
			return world.JSON(user)
		case "/users.list":
			page, err := strconv.Atoi(r.PostFormValue("cursor"))
			if err != nil {
				page = 1
			}
			return world.JSON(pages[min(page, len(pages))-1])
		}
		return world.JSON(posted)
	}
	return Rival{
		Name: "slack-go", Module: "github.com/slack-go/slack", Answer: answer,
		Connect: func(base string, transport http.RoundTripper) (client, floor Operations, err error) {
			api := slack.New(Token, slack.OptionAPIURL(base+"/"), slack.OptionHTTPClient(&http.Client{Transport: transport}))
			return slackOperations(api), slackFloor(newFloor(base, transport)), nil
		},
		Plain: func(base string) (Operations, error) {
			return slackOperations(slack.New(Token, slack.OptionAPIURL(base+"/"))), nil
		},
	}, nil
}

func checkSlackUser(u *slack.User) error {
	return decoded(u.ID == "U0" && u.Profile.Email == "tenant@example.com" && u.TZOffset == 3600)
}

func slackIndex(u *slack.User) int {
	index, err := strconv.Atoi(strings.TrimPrefix(u.ID, "U"))
	if err != nil {
		return -1
	}
	return index
}

func slackOperations(api *slack.Client) Operations {
	text := strings.Repeat("x", longTitle)
	list := func(ctx context.Context, item func(int) error) error {
		page := api.GetUsersPaginated(slack.GetUsersOptionLimit(PageItems))
		for {
			var err error
			if page, err = page.Next(ctx); err != nil {
				return page.Failure(err)
			}
			if err := each(page.Users, slackIndex, item); err != nil {
				return err
			}
		}
	}
	body, header := slackEvent()
	return Operations{
		Get: func(ctx context.Context) error {
			user, err := api.GetUserInfoContext(ctx, "U0")
			if err != nil {
				return err
			}
			return checkSlackUser(user)
		},
		Post: func(ctx context.Context) error {
			channel, ts, err := api.PostMessageContext(ctx, "C1", slack.MsgOptionText(text, false))
			if err != nil {
				return err
			}
			return decoded(channel == "C1" && ts != "")
		},
		List: list, Serial: list,
		Webhook: func(ctx context.Context) error {
			r, err := delivery(ctx, body, header)
			if err != nil {
				return err
			}
			payload, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			verifier, err := slack.NewSecretsVerifier(r.Header, signingSecret)
			if err != nil {
				return err
			}
			if _, err := verifier.Write(payload); err != nil {
				return err
			}
			if err := verifier.Ensure(); err != nil {
				return err
			}
			event, err := slackevents.ParseEvent(payload, slackevents.OptionNoVerifyToken())
			if err != nil {
				return err
			}
			message, ok := event.InnerEvent.Data.(*slackevents.MessageEvent)
			return decoded(ok && message.User == "U0")
		},
	}
}

// slackEvent is an event of 2 KB with its headers, signed now: signatures expire.
func slackEvent() ([]byte, http.Header) {
	body := `{"token":"t","team_id":"T012AB3C4","api_app_id":"A1","type":"event_callback","event_id":"Ev1","event_time":1623753061,"event":{"type":"message",` +
		`"user":"U0","channel":"C1","channel_type":"channel","ts":"1623753061.000100","event_ts":"1623753061.000100","text":"` + strings.Repeat("x", webhookBytes-300) + `"}}`
	now := strconv.FormatInt(time.Now().Unix(), 10)
	return []byte(body), http.Header{
		"Content-Type": {"application/json"}, "X-Slack-Request-Timestamp": {now}, "X-Slack-Signature": {"v0=" + signature("v0:", now, ":", body)},
	}
}

// slackAnswer has the members of the two answers that are compared.
type slackAnswer struct {
	slack.SlackResponse

	Members  []slack.User           `json:"members,omitempty"`
	User     slack.User             `json:"user"`
	Metadata slack.ResponseMetadata `json:"response_metadata"`
}

func slackFloor(f floor) Operations {
	text := strings.Repeat("x", longTitle)
	body, header := slackEvent()
	return Operations{
		Get: func(ctx context.Context) error {
			var out slackAnswer
			if err := f.form(ctx, "/users.info", url.Values{"token": {Token}, "user": {"U0"}, "include_locale": {"false"}}, &out); err != nil {
				return err
			}
			return checkSlackUser(&out.User)
		},
		Post: func(ctx context.Context) error {
			var out struct {
				slack.SlackResponse

				Channel   string        `json:"channel"`
				Timestamp string        `json:"ts"`
				Text      string        `json:"text"`
				Message   slack.Message `json:"message"`
			}
			if err := f.form(ctx, "/chat.postMessage", url.Values{"token": {Token}, "channel": {"C1"}, "text": {text}}, &out); err != nil {
				return err
			}
			return decoded(out.Channel == "C1" && out.Timestamp != "")
		},
		List: func(ctx context.Context, item func(int) error) error {
			for cursor := ""; ; {
				var out slackAnswer
				values := url.Values{"token": {Token}, "limit": {strconv.Itoa(PageItems)}, "cursor": {cursor}, "team_id": {""}, "include_locale": {"false"}}
				if err := f.form(ctx, "/users.list", values, &out); err != nil {
					return err
				}
				if err := each(out.Members, slackIndex, item); err != nil {
					return err
				}
				if cursor = out.Metadata.Cursor; cursor == "" {
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
			if err := checkSignature(strings.TrimPrefix(r.Header.Get("X-Slack-Signature"), "v0="), "v0:", r.Header.Get("X-Slack-Request-Timestamp"), ":", string(payload)); err != nil {
				return err
			}
			var outer slackevents.EventsAPICallbackEvent
			if err := json.Unmarshal(payload, &outer); err != nil {
				return err
			}
			var message slackevents.MessageEvent
			if err := json.Unmarshal(*outer.InnerEvent, &message); err != nil {
				return err
			}
			return decoded(message.User == "U0")
		},
	}
}

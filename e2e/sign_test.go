package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// openToSign opens the mail to a signer as the signer does.
func (b *tab) openToSign(p *program, signer revv.Person) {
	b.t.Helper()
	b.open(p.url + "/outbox")
	b.openMail(signer.Email)
	b.sees("For " + signer.FirstName + " " + signer.LastName)
}

// fillAndSign does the part of the first signer, Ann.
func (b *tab) fillAndSign() {
	b.t.Helper()
	b.fill("Client", "Acme Ltd")
	b.fill("Start date", "2026-01-31")
	b.fill("Your name", "Ann Archer")
	b.press("Sign")
	b.sees("Thank you")
}

func TestSign_secondDeclines_theDocumentIsADraftAgain(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	d := sent(t, client, "Half of an agreement", ann, ben)
	b.openToSign(p, ann)
	b.fillAndSign()

	b.openToSign(p, ben)
	link := b.address()
	b.fill("Reason", "The fee is <too> high & the day is wrong")
	b.press("Decline")
	b.sees("Your answer is noted", "You declined to sign")
	assert.Equal(t, revv.StageDraft, stage(t, client, d))
	b.open(link)
	b.sees("You have said no", "The fee is <too> high & the day is wrong")
	assert.False(t, b.has("Sign", "button"))

	b.open(p.url + "/")
	b.sees("declined")
	b.follow("Half of an agreement")
	b.sees("Draft", "Declined", "The fee is <too> high & the day is wrong")

	// Sent anew, the links of the first round lead nowhere.
	require.NoError(t, client.Documents.SendForESign(t.Context(), d.ID, revv.SendParams{Recipients: []revv.Person{ben}}))
	b.open(link)
	b.sees("Not Found", "not valid any more")
	assert.False(t, b.has("Sign", "button"))
	b.open(p.url + "/sign/aLinkThatNobodyHasSent")
	b.sees("Not Found", "not valid")
}

// The second signer keeps the page open on which it was the turn of both, or has
// the link from somewhere else: what is sent from there must not count.
func TestSign_outOfTurn_isRefusedByTheServer(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	d := sent(t, client, "In this order", ann, ben)
	b.open(p.url + "/")
	b.follow("In this order")
	b.follow("Open the page of ben@example.com")
	b.sees("It is not your turn yet", "ann@example.com", "You get a mail when it is your turn")
	assert.False(t, b.has("Sign", "button"))
	assert.False(t, b.has("Decline", "button"))

	// A page of a moment at which the order was another one.
	ask[any](b, `(() => {
		const form = document.createElement("form");
		form.method = "post";
		form.innerHTML = '<input name="field:Client" value="Acme"><input name="field:Start date" value="2026-01-31"><input name="name" value="Ben"><button name="answer" value="sign">Sign now</button>';
		document.querySelector("main").append(form);
	})()`)
	b.press("Sign now")
	b.sees("not the turn of ben@example.com", "ann@example.com")
	assert.Equal(t, revv.StageSent, stage(t, client, d))

	b.openToSign(p, ann)
	link := b.address()
	b.fillAndSign()

	// Used once: the link shows what was done, the back button signs nothing again.
	b.open(link)
	b.sees("You have answered", "You signed as Ann Archer", "Nothing is left to do here")
	assert.False(t, b.has("Sign", "button"))
	b.openToSign(p, ben)
	b.find("Sign", "button")
}

func TestSign_wrongAndMissingValues_areToldAtTheirField(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	d := sent(t, client, "With mistakes", ann)
	b.openToSign(p, ann)
	b.fill("Client", "Acme \"Ltd\" <b>& sons</b>")
	b.fill("Fee", "fifteen")
	b.press("Sign")
	b.sees("Nothing is signed yet")

	client1 := b.find("Client", "textbox")
	assert.False(t, client1.invalid)
	assert.Equal(t, "Acme \"Ltd\" <b>& sons</b>", client1.value, "what was right is kept")
	date := b.find("Start date", "Date")
	assert.True(t, date.invalid, "%+v", date)
	assert.Contains(t, date.description, "This field is required.")
	fee := b.find("Fee", "textbox")
	assert.True(t, fee.invalid)
	assert.Equal(t, "fifteen", fee.value, "what was wrong is kept, too, to be corrected")
	assert.Regexp(t, `(?i)number`, fee.description)
	assert.Contains(t, fee.description, "fifteen", "the description has the hint and the error")
	name := b.find("Your name", "textbox")
	assert.True(t, name.invalid)
	assert.Contains(t, name.description, "Type your name to sign.")
	assert.Equal(t, revv.StageSent, stage(t, client, d))

	b.fill("Start date", "2026-01-31")
	b.fill("Fee", "15")
	b.fill("Your name", "Ann Archer")
	b.press("Sign")
	b.sees("Thank you", `Acme "Ltd" <b>& sons</b>`)
	assert.Equal(t, revv.StageSigned, stage(t, client, d))
}

// Nothing but the keyboard: Tab from part to part, as somebody does who sees or
// moves otherwise.
func TestSign_byKeyboardAlone(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	d := sent(t, client, "Without a mouse", ann)
	b.open(p.url + "/")

	b.tabTo("Skip to the content")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.tabTo("Without a mouse")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.sees("Sent to")
	b.tabTo("Outbox")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.sees("Mails that would have gone out")
	b.tabTo("Open and sign")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.sees("Fill in and sign")
	b.tabTo("Client")
	b.do(chromedp.KeyEvent("Acme Ltd"))
	b.tabTo("Start date")
	b.do(chromedp.KeyEvent("01312026")) // month, day and year, each a part of its own
	b.tabTo("Your name")
	b.do(chromedp.KeyEvent("Ann Archer"))
	b.do(chromedp.KeyEvent(kb.Enter))
	b.sees("Thank you", "Acme Ltd", "2026-01-31")
	assert.Equal(t, revv.StageSigned, stage(t, client, d))
}

// tabTo presses Tab until the element with the name has the focus.
func (b *tab) tabTo(name string) {
	b.t.Helper()
	const most = 60 // parts of a page
	var passed []string
	for range most {
		b.do(chromedp.KeyEvent(kb.Tab))
		at := ask[string](b, `(() => {
			const e = document.activeElement;
			return ((e.labels && e.labels.length ? e.labels[0] : e).innerText || "").trim().replace(/\s+/g, " ");
		})()`)
		if len(at) >= len(name) && at[:len(name)] == name {
			return
		}
		passed = append(passed, at)
	}
	b.t.Fatalf("Tab never comes to %q, but to %q", name, passed)
}

package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/revv-go/revv"
)

// operation is one thing that the service does on request.
type operation struct {
	name  string
	at    string                     // "METHOD /path" of what no client routes, "" otherwise
	route func(*revv.Routes) *string // of what the client routes
	field string                     // the name of the route's field, for messages
	query []string                   // the query parameters it knows
	body  bool                       // it takes a body
	open  bool                       // it needs no access token
	page  bool                       // it is for people: a refusal is a page
	bare  bool                       // its answer is no JSON object
	run   func(*account, *call) (any, error)

	// claims chooses among operations that share a method and a path, as
	// routes may do after a repair; nil claims everything.
	claims func(param string, query url.Values) bool
}

// api reports whether the operation belongs to the API that the client calls.
func (op *operation) api() bool { return op.route != nil }

// takesJSON reports whether the body is JSON and not a form.
func (op *operation) takesJSON() bool { return op.body && (op.api() || op.name == "Auth.Login") }

// operations is the table of the service. The names are those that the client
// uses in its errors, but for OAuth.Token, which exchanges and renews.
func operations() []*operation {
	paging := []string{"page_num"}
	listing := []string{"page_num", "sort_by_doc_num"}
	withEmail := func(_ string, query url.Values) bool { return query.Has("email") }
	withNumber := func(param string, _ url.Values) bool { return strings.HasPrefix(param, "DOC-") }

	return []*operation{
		{name: "Documents.Create", field: "CreateDocument", route: func(r *revv.Routes) *string { return &r.CreateDocument }, body: true, run: (*account).createDocument},
		{name: "Documents.List", field: "ListDocuments", route: func(r *revv.Routes) *string { return &r.ListDocuments }, query: listing, run: (*account).listEntries},
		{name: "Documents.List", field: "ListFolderContents", route: func(r *revv.Routes) *string { return &r.ListFolderContents }, query: listing, run: (*account).listFolder},
		{name: "Documents.GetByNumber", field: "GetDocumentByNumber", route: func(r *revv.Routes) *string { return &r.GetDocumentByNumber }, run: (*account).getDocumentByNumber, claims: withNumber},
		{name: "Documents.Get", field: "GetDocument", route: func(r *revv.Routes) *string { return &r.GetDocument }, run: (*account).getDocument},
		{name: "Documents.SetFields", field: "SetFields", route: func(r *revv.Routes) *string { return &r.SetFields }, body: true, run: (*account).putFields},
		{name: "Documents.Clone", field: "CloneDocument", route: func(r *revv.Routes) *string { return &r.CloneDocument }, body: true, run: (*account).cloneDocument},
		{name: "Documents.Activities", field: "ListActivities", route: func(r *revv.Routes) *string { return &r.ListActivities }, query: []string{"after", "limit"}, bare: true, run: (*account).listActivities},
		{name: "Documents.Download", field: "DownloadDocument", route: func(r *revv.Routes) *string { return &r.DownloadDocument }, bare: true, run: (*account).download},
		{name: "Documents.Share", field: "ShareDocument", route: func(r *revv.Routes) *string { return &r.ShareDocument }, body: true, run: (*account).share},
		{name: "Documents.SendForESign", field: "SendForESign", route: func(r *revv.Routes) *string { return &r.SendForESign }, body: true, run: (*account).sendForESign},
		{name: "Documents.SendForAcceptance", field: "SendForAcceptance", route: func(r *revv.Routes) *string { return &r.SendForAcceptance }, body: true, run: (*account).sendForAcceptance},
		{name: "Documents.SendForApproval", field: "SendForApproval", route: func(r *revv.Routes) *string { return &r.SendForApproval }, body: true, run: (*account).sendForApproval},
		{name: "Documents.MagicLink", field: "CreateMagicLink", route: func(r *revv.Routes) *string { return &r.CreateMagicLink }, body: true, run: (*account).magicLink},
		{name: "Documents.Move", field: "MoveDocument", route: func(r *revv.Routes) *string { return &r.MoveDocument }, body: true, run: (*account).moveDocument},
		{name: "Templates.List", field: "ListTemplates", route: func(r *revv.Routes) *string { return &r.ListTemplates }, query: []string{"page_num", "status"}, run: (*account).listTemplates},
		{name: "Folders.Create", field: "CreateFolder", route: func(r *revv.Routes) *string { return &r.CreateFolder }, body: true, run: (*account).createFolder},
		{name: "Folders.List", field: "ListFolders", route: func(r *revv.Routes) *string { return &r.ListFolders }, query: listing, run: (*account).listEntries},
		{name: "Folders.Delete", field: "DeleteFolder", route: func(r *revv.Routes) *string { return &r.DeleteFolder }, run: (*account).deleteFolder},
		{name: "Contacts.Upsert", field: "UpsertContact", route: func(r *revv.Routes) *string { return &r.UpsertContact }, body: true, run: (*account).upsertContact},
		{name: "Contacts.GetByEmail", field: "GetContactByEmail", route: func(r *revv.Routes) *string { return &r.GetContactByEmail }, query: []string{"email"}, run: (*account).findContacts, claims: withEmail},
		{name: "Contacts.List", field: "ListContacts", route: func(r *revv.Routes) *string { return &r.ListContacts }, query: paging, run: (*account).listContacts},
		{name: "Contacts.Get", field: "GetContact", route: func(r *revv.Routes) *string { return &r.GetContact }, run: (*account).getContact},
		{name: "Contacts.Delete", field: "DeleteContact", route: func(r *revv.Routes) *string { return &r.DeleteContact }, run: (*account).deleteContact},
		{name: "Webhooks.Subscribe", field: "SubscribeWebhook", route: func(r *revv.Routes) *string { return &r.SubscribeWebhook }, body: true, run: (*account).subscribe},
		{name: "Webhooks.List", field: "ListWebhooks", route: func(r *revv.Routes) *string { return &r.ListWebhooks }, run: (*account).listWebhooks},
		{name: "Webhooks.Unsubscribe", field: "UnsubscribeWebhook", route: func(r *revv.Routes) *string { return &r.UnsubscribeWebhook }, run: (*account).unsubscribe},

		{name: "OAuth.Token", at: "POST " + tokenPath, body: true, open: true, run: (*account).tokenEndpoint},
		{name: "OAuth.Authorize", at: "GET " + authorizePath, open: true, page: true, run: (*account).authorizePage},
		{name: "OAuth.Consent", at: "POST " + authorizePath, body: true, open: true, page: true, run: (*account).consentForm},
		{name: "Auth.Login", at: "POST /api/v2/auth/initiate-auth", body: true, open: true, run: (*account).login},
		{name: "Auth.Login", at: "POST /api/auth/initiate-auth", body: true, open: true, run: (*account).login},

		{name: "Shared.Open", at: "GET " + acceptancePath("{param}"), open: true, page: true, run: (*account).answerPage},
		{name: "Shared.Accept", at: "POST " + acceptancePath("{param}") + "/doc-acceptance/accept", body: true, open: true, run: (*account).acceptByLink},
		{name: "Shared.Reject", at: "POST " + acceptancePath("{param}") + "/doc-acceptance/reject", body: true, open: true, run: (*account).rejectByLink},
		{name: "Shared.Approve", at: "POST " + acceptancePath("{param}") + "/doc-approval/approve", body: true, open: true, run: (*account).approveByLink},
		{name: "Shared.Disapprove", at: "POST " + acceptancePath("{param}") + "/doc-approval/reject", body: true, open: true, run: (*account).disapproveByLink},
		{name: "Shared.Open", at: "GET " + LinkPath(MailSign) + "{param}", open: true, page: true, run: (*account).signPage},
		{name: "Shared.Sign", at: "POST " + LinkPath(MailSign) + "{param}", body: true, open: true, page: true, run: (*account).signForm},
		{name: "Shared.Read", at: "GET " + LinkPath(MailShare) + "{param}", open: true, page: true, run: (*account).readPage},
		{name: "Shared.MagicLink", at: "GET " + magicPrefix + "{param}/{title}", query: []string{"download"}, open: true, page: true, run: (*account).magicPage},
	}
}

// route is a path with the operations of each of its methods.
type route struct {
	sandbox *Sandbox
	path    string // with the placeholders as the contract spells them
	methods map[string][]*operation
}

// linkPlaceholder stands for the secret of a mailed link.
const linkPlaceholder = "{hash}"

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// register fills the mux. Routes of the client come first, as the value that
// the client expands; operations on the same method and path share an entry.
func (s *Sandbox) register() (err error) {
	routes, defaults := s.opts.Routes, revv.DefaultRoutes()
	byPattern := map[string]*route{}
	var problems []error
	for _, op := range operations() {
		text, spelling := op.at, op.at
		if op.api() {
			if text = *op.route(&routes); text == "" {
				text = *op.route(&defaults)
			}
			spelling = text
			text = placeholder.ReplaceAllString(text, "{param}")
		}
		method, pattern, ok := strings.Cut(text, " ")
		if !ok || method == "" || method != strings.ToUpper(method) || !strings.HasPrefix(pattern, "/") {
			problems = append(problems, fmt.Errorf("Routes.%s: %q must be a method in capitals, one space and a path", op.field, spelling))
			continue
		}
		r := byPattern[pattern]
		if r == nil {
			_, path, _ := strings.Cut(spelling, " ")
			path = strings.ReplaceAll(path, "{param}", linkPlaceholder) // as the contract spells it
			r = &route{sandbox: s, path: path, methods: map[string][]*operation{}}
			byPattern[pattern] = r
			s.routes = append(s.routes, r)
		}
		r.methods[method] = append(r.methods[method], op)
	}
	s.mux = http.NewServeMux()
	for _, pattern := range slices.Sorted(maps.Keys(byPattern)) {
		problems = append(problems, handle(s.mux, pattern, byPattern[pattern]))
		// The mux would answer the path without its slash with a redirect; to a
		// client that has lost the slash, a refusal says more.
		if bare := strings.TrimSuffix(pattern, "/"); bare != pattern && byPattern[bare] == nil {
			problems = append(problems, handle(s.mux, bare, http.HandlerFunc(s.serveUnknown)))
		}
	}
	problems = append(problems, handle(s.mux, "/", http.HandlerFunc(s.serveUnknown)))
	return errors.Join(problems...)
}

// handle registers one exact path and returns what the mux has against it.
func handle(mux *http.ServeMux, path string, h http.Handler) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("the route %s cannot be served: %v", path, reason)
		}
	}()
	if path != "/" && strings.HasSuffix(path, "/") {
		path += "{$}"
	}
	mux.Handle(path, h)
	return nil
}

// choose returns the operation that claims the call.
func choose(ops []*operation, param string, query url.Values) *operation {
	for _, op := range ops {
		if op.claims == nil || op.claims(param, query) {
			return op
		}
	}
	return ops[0]
}

// allowed lists the methods of a route for the header Allow.
func (rt *route) allowed() []string {
	methods := slices.Collect(maps.Keys(rt.methods))
	if rt.methods[http.MethodGet] != nil && rt.methods[http.MethodHead] == nil {
		methods = append(methods, http.MethodHead)
	}
	slices.Sort(methods)
	return methods
}

// nearest returns the known route that a wrong path most likely meant, "" if it is
// unlike all of them. The pages behind links are not offered: their addresses come
// whole, from a mail.
func (s *Sandbox) nearest(method, path string) string {
	const farthest = 12 // a segment too many or too few, and little else
	best, bestDistance := "", farthest+1
	given := strings.Split(path, "/")
	for _, r := range s.routes {
		known := strings.Split(r.path, "/")
		if strings.Contains(r.path, linkPlaceholder) && !strings.HasPrefix(r.path, apiSpace) || !shareWord(given, known) {
			continue
		}
		distance := segmentDistance(given, known)
		shown := method
		if r.methods[method] == nil { // another method is a worse guess, not an impossible one
			distance += 2
			shown = r.allowed()[0]
		}
		if distance < bestDistance {
			best, bestDistance = shown+" "+r.path, distance
		}
	}
	return best
}

// shareWord reports whether two paths have a segment in common, but for typing
// errors. "api", versions and placeholders say nothing of what was meant.
func shareWord(given, known []string) bool {
	for _, k := range known {
		if len(k) < 3 || k == "api" || strings.HasPrefix(k, "{") {
			continue
		}
		if slices.ContainsFunc(given, func(g string) bool { return letterDistance(g, k) <= len(k)/2 }) {
			return true
		}
	}
	return false
}

// segmentDistance is the edit distance of two paths, whose unit is a segment of
// ten letters: a missing segment weighs as much as ten wrong letters.
func segmentDistance(given, known []string) int {
	const whole = 10
	weight := func(segment string) int {
		if segment == "" {
			return 1 // a slash too many or too few
		}
		return whole
	}
	row := make([]int, len(known)+1)
	for j, k := range known {
		row[j+1] = row[j] + weight(k)
	}
	for _, g := range given {
		diagonal := row[0]
		row[0] += weight(g)
		for j, k := range known {
			replace := diagonal + min(whole+5, letterDistance(g, k))
			if strings.HasPrefix(k, "{") && g != "" {
				replace = diagonal + 1
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+weight(k), row[j+1]+weight(g))
		}
	}
	return row[len(known)]
}

// letterDistance is the edit distance of two short words.
func letterDistance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

package counts_test

import (
	"testing"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/bench/counts"
	"github.com/revv-go/revv/bench/sides"
)

func revvSide(t *testing.T) sides.Rival {
	t.Helper()
	rival, err := sides.Revv()
	if err != nil {
		t.Fatal(err)
	}
	return rival
}

// net/http gives a connection up if the goroutine that wrote the request has not
// said so within 50 ms of the answer, which happens where the machine is far too
// busy: such a run says nothing about the client.
func TestConnections_oneForEachCaller(t *testing.T) {
	t.Parallel()
	var opened int
	for range 3 {
		var err error
		if opened, err = counts.Connections(t.Context(), revvSide(t)); err != nil {
			t.Fatal(err)
		}
		if opened == counts.Callers {
			return
		}
	}
	t.Errorf("%d connections, again and again", opened)
}

func TestChunkedPages_oneConnection(t *testing.T) {
	t.Parallel()
	opened, err := counts.ChunkedPages(t.Context(), revvSide(t))
	if err != nil || opened != 1 {
		t.Errorf("%d connections, %v", opened, err)
	}
}

func TestPagesAhead_boundedAndInOrder(t *testing.T) {
	t.Parallel()
	ahead, err := counts.PagesAhead(t.Context(), revvSide(t))
	if err != nil || ahead.Most > counts.Prefetch || ahead.Most == 0 || ahead.Disorder || ahead.AfterBreak > counts.Prefetch-ahead.AtBreak {
		t.Errorf("%+v, %v", ahead, err)
	}
}

func TestTokenRequests_oneForAll(t *testing.T) {
	t.Parallel()
	tokens, err := counts.TokenRequests(t.Context(), false)
	if err != nil || tokens.Requests != 1 || tokens.Failed != 0 {
		t.Errorf("%+v, %v", tokens, err)
	}
}

func TestTokenRequests_brokenEndpoint_oneSeriesForAll(t *testing.T) {
	t.Parallel()
	tokens, err := counts.TokenRequests(t.Context(), true)
	if err != nil || tokens.Requests > counts.TokenSeries || tokens.Requests < 1 || tokens.Failed != counts.TokenCallers {
		t.Errorf("%+v, %v", tokens, err)
	}
}

func TestFloorTokenRequests_areOneForEachCaller(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("what x/oauth2 does is no promise of this project")
	}
	tokens, err := counts.FloorTokenRequests(t.Context(), true, oauth2.AuthStyleInParams)
	if err != nil || tokens.Requests < counts.TokenCallers {
		t.Errorf("%+v, %v", tokens, err)
	}
}

package resultsui

import (
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type replayAllIn struct {
	Cause  string `json:"cause" doc:"of which cause; one that a change of the configuration can mend"`
	Source string `json:"source,omitempty" doc:"only what came from it; absent: from every source"`
	Reason string `json:"reason" doc:"why, at most 200 characters; no patient data"`
}

type replayRunIn struct {
	Run string `path:"run" doc:"the replay's id"`
}

type apiReplay struct {
	Run     string           `json:"run" doc:"its id; known to the node that runs it, until that ends"`
	Cause   string           `json:"cause"`
	Source  string           `json:"source,omitempty"`
	By      string           `json:"by"`
	Began   time.Time        `json:"began_at"`
	Ended   *time.Time       `json:"ended_at,omitempty" doc:"absent while it is under way"`
	Of      int64            `json:"of" doc:"messages of this group when it began; 0 until they are counted"`
	Done    int64            `json:"done" doc:"looked at so far"`
	Taken   int64            `json:"taken"`
	Still   map[string]int64 `json:"still_refused" doc:"those that stay, by the cause they are refused for now"`
	Aborted bool             `json:"ended_early" doc:"start it again and it goes on with what is left"`
}

func apiReplayOf(x *replay) apiReplay {
	out := apiReplay{
		Run: x.id, Cause: x.cause, Source: x.source, By: x.by, Began: x.began.UTC(), Ended: moment(x.ended), Of: x.so.Of, Done: x.so.Done, Taken: x.so.Taken,
		Still: x.so.Still, Aborted: x.err,
	}
	if out.Still == nil {
		out.Still = map[string]int64{}
	}
	return out
}

// replayOps replay all of a cause, as the page does: in the background, one run of
// a group at a time.
func (q *quarantine) replayOps() []web.Route {
	return []web.Route{
		web.Op[replayAllIn, apiReplay]{
			Pattern: "POST /api/v1/quarantine/replay", Needs: authz.QuarantineAct, Tag: tagQuarantine, Summary: "Replay: all quarantined messages of a cause",
			Detail: "Each is judged by the configuration in force, oldest first. Those whose cause is mended are taken and go to whom the routes say; the others stay. It goes on in the background; asked for again meanwhile, the run under way is the answer.",
			Do:     q.opReplayAll,
		}.Route(),
		web.Op[replayRunIn, apiReplay]{
			Pattern: "GET /api/v1/quarantine-replays/{run}", Needs: authz.QuarantineSee, Tag: tagQuarantine, Summary: "How far a replay of a cause is", Do: q.opReplayRun,
		}.Route(),
	}
}

func (q *quarantine) opReplayAll(r *http.Request, v replayAllIn) (apiReplay, error) {
	sees, err := apartAt(r, authz.QuarantineAct)
	if err != nil {
		return apiReplay{}, err
	}
	if err := mendable(v.Cause, v.Source); err != nil {
		return apiReplay{}, err
	}
	reason, err := checked(v.Reason)
	if err != nil {
		return apiReplay{}, err
	}
	if _, err := q.waiting(r, v.Cause, v.Source); err != nil {
		return apiReplay{}, err
	}
	run := q.start(r, results.ApartFilter{Cause: v.Cause, Source: v.Source, Sees: sees}, as(r, reason).By)
	now, _ := q.runs.get(run.id)
	return apiReplayOf(&now), nil
}

func (q *quarantine) opReplayRun(r *http.Request, v replayRunIn) (apiReplay, error) {
	sees, err := apartAt(r, authz.QuarantineSee)
	if err != nil {
		return apiReplay{}, err
	}
	run, ok := q.runs.get(v.Run)
	if !ok || sees != nil && (run.whole || run.by != web.Who(r).Account) {
		return apiReplay{}, web.NotFound("there is no such replay on this node since its last start")
	}
	return apiReplayOf(&run), nil
}

package watch

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// def is one metric: what it is called, its labels and what it says.
type def struct {
	name   string
	kind   prometheus.ValueType
	labels []string
	help   string
}

// The metrics of the hub. The page docs/operate/metrics.md is made from them.
var (
	received    = def{"labwarden_results_received_total", prometheus.CounterValue, nil, "Results taken in and acknowledged after the flush, since the process started."}
	repeated    = def{"labwarden_results_repeated_total", prometheus.CounterValue, nil, "Results presented again and answered as before, since the process started."}
	quarantined = def{"labwarden_results_quarantined_total", prometheus.CounterValue, nil, "Messages not taken and kept apart for a person, since the process started."}
	delivered   = def{"labwarden_results_delivered_total", prometheus.CounterValue, nil, "Deliveries completed, since the process started."}
	failed      = def{"labwarden_results_failed_total", prometheus.CounterValue, nil, "Messages that could not be stored, so that the sender was told to repeat them, since the process started."}
	apart       = def{"labwarden_quarantine_open", prometheus.GaugeValue, nil, "Messages in quarantine that wait for a person."}
	waiting     = def{"labwarden_deliveries_waiting", prometheus.GaugeValue, []string{"partner"}, "Deliveries that wait to be sent."}
	held        = def{"labwarden_deliveries_held", prometheus.GaugeValue, []string{"partner"}, "Deliveries held by a rule or a person."}
	needsPerson = def{"labwarden_deliveries_needing_a_person", prometheus.GaugeValue, []string{"partner"}, "Deliveries whose automatic tries have ended."}
	oldest      = def{"labwarden_oldest_waiting_seconds", prometheus.GaugeValue, []string{"partner"}, "How long the oldest waiting delivery has waited; 0 when none waits."}
	up          = def{"labwarden_partner_up", prometheus.GaugeValue, []string{"partner"}, "0 while the last tries to this partner failed, else 1 (also before the first try)."}
	queuesRead  = def{"labwarden_queues_read_timestamp_seconds", prometheus.GaugeValue, nil, "When the figures per partner and of the quarantine were last read from the store. They are left out when reading fails."}
	groups      = def{"labwarden_store_groups_total", prometheus.CounterValue, nil, "Transactions of the committer since the process started. Items divided by groups is the mean group size."}
	items       = def{"labwarden_store_items_total", prometheus.CounterValue, nil, "Pieces of work in those transactions."}
	redone      = def{"labwarden_store_redone_total", prometheus.CounterValue, nil, "Pieces of work that were done again because one of their group failed."}
	writable    = def{"labwarden_store_writable", prometheus.GaugeValue, nil, "1 when the last test write (at most 5 s old) reached the disk, else 0."}
	leaves      = def{"labwarden_ledger_leaves", prometheus.GaugeValue, nil, "Facts in the ledger."}
	ends        = def{"labwarden_date_end_timestamp_seconds", prometheus.GaugeValue, []string{"of", "kind"}, "When a certificate (ours, theirs as seen at their last connection, an authority's) or an exception ends, or where a person has extended it to, as seconds since 1970. Nothing stops by itself then, but others refuse an ended certificate of ours."}
	alarms      = def{"labwarden_alarms_open", prometheus.GaugeValue, []string{"severity"}, "Alarms whose condition stands, accepted ones included."}
	nodeWorking = def{"labwarden_node_working", prometheus.GaugeValue, nil, "0 while this node cannot load the configuration in force and so takes nothing in and delivers nothing, else 1."}
	leaseHeld   = def{"labwarden_lease_held", prometheus.GaugeValue, nil, "1 when this node holds the lease: it delivers and runs the jobs. 0 when another does, or nobody."}
	leaseEpoch  = def{"labwarden_lease_epoch", prometheus.GaugeValue, nil, "How often the lease has been taken; all nodes say the same."}
	leaseSince  = def{"labwarden_lease_since_timestamp_seconds", prometheus.GaugeValue, []string{"node"}, "Since when which node holds the lease, in the database's time, as seconds since 1970. Left out while nobody holds it."}
	gateFiles   = def{"labwarden_gate_files_total", prometheus.CounterValue, []string{"verdict"}, "Files of partners that the content gate has looked at, by verdict: passed, held, refused; unread are those refused because of a fault of this program. Since the process started."}
	build       = def{"labwarden_build_info", prometheus.GaugeValue, []string{"version", "go_version"}, "Always 1; the labels say which build this is."}
)

func defs() []def {
	return []def{
		received, repeated, quarantined, delivered, failed, apart, waiting, held, needsPerson, oldest, up, queuesRead,
		groups, items, redone, writable, leaves, ends, alarms, nodeWorking, leaseHeld, leaseEpoch, leaseSince, gateFiles, build,
	}
}

func (d def) desc() *prometheus.Desc { return prometheus.NewDesc(d.name, d.help, d.labels, nil) }

func (d def) metric(v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d.desc(), d.kind, v, labels...)
}

// Page is docs/operate/metrics.md.
func Page() string {
	var b strings.Builder
	b.WriteString(`# Metrics and health

<!-- Made by go generate from internal/app/watch/defs.go. Do not edit. -->

The hub listens on ` + "`node.metrics.listen`" + ` (127.0.0.1:9464 unless the configuration says otherwise) and
answers three requests. There is no password there: keep the address on this machine or in a management network.
Nothing it says comes from a message; labels are names from your configuration, never patient data.

| request | answer |
|---|---|
| ` + "`/healthz`" + ` | 200 while the process is alive. It looks at nothing else: use it to decide about a restart. |
| ` + "`/readyz`" + ` | 200 when a test write reached the disk (at most 5 s ago; the answer says when and how long it took) and the doors of all sources are open, else 503 with the reason. A node that does not hold the lease is ready too: it takes results in. The answer names the node that holds it and since when. |
| ` + "`/metrics`" + ` | the table below in Prometheus text format, with the usual ` + "`go_*` and `process_*`" + ` |

| metric | kind | labels | what it says |
|---|---|---|---|
`)
	for _, d := range defs() {
		kind := "gauge"
		if d.kind == prometheus.CounterValue {
			kind = "counter"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.name, kind, strings.Join(d.labels, ", "), d.help)
	}
	b.WriteString(`
The figures per partner are read from the store at most once in five seconds, and less often when reading takes long.

What to alarm on:

- ` + "`labwarden_partner_up == 0`" + ` for longer than the partner's usual maintenance;
- ` + "`labwarden_oldest_waiting_seconds`" + ` above what you promised the partner;
- ` + "`labwarden_deliveries_needing_a_person > 0`, `labwarden_quarantine_open > 0`" + `: somebody must look;
- ` + "`increase(labwarden_results_failed_total[5m]) > 0` or `labwarden_store_writable == 0`" + `: the store refuses results;
- ` + "`labwarden_date_end_timestamp_seconds - time() < 30 * 86400`" + `;
- ` + "`labwarden_node_working == 0`, or `labwarden_lease_since_timestamp_seconds`" + ` missing on every node: nobody delivers;
- the scrape itself failing: a dead hub raises no alarm of its own (its heartbeat stops: [alarms](alarms.md)).

The hub tells the people on its on-call list of most of these itself; ` + "`labwarden_alarms_open > 0`" + ` is the sum of them.
`)
	return b.String()
}

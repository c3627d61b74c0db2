package arch

// module is the path of this module; everything else is foreign to it.
const module = "github.com/labwarden/labwarden"

// A rule says what the packages of one layer may import.
type rule struct {
	// layer is a path below the module; "*" stands for one path element. It covers
	// everything below it, unless a rule further up the table matches first.
	layer string
	// ours are the layers it may import. Its own component (the path up to the
	// last element of the layer) is always allowed. "all" allows everything.
	ours []string
	// noDatabase refuses platform parts that reach the store.
	noDatabase bool
	// noStd are packages of the standard library it must not import.
	noStd []string
	// modules are the third-party modules (by path prefix) it may import.
	modules []string
}

// pure is what a layer without clock, network, database and log keeps out.
// (The clock is a call, not an import: see sources.go.)
var pure = []string{
	"net", "net/http", "net/rpc", "net/smtp", "os", "os/exec", "os/signal", "syscall", "log", "log/slog",
	"database/sql", "database/sql/driver", "math/rand", "math/rand/v2", "crypto/rand",
}

// table is the law. The first rule whose layer matches a package judges it; a
// package that none matches is a violation, so a new layer is added here on
// purpose. A new third-party module enters here and in
// docs/develop/dependencies.md.
var table = []rule{
	{layer: "cmd/*", ours: []string{"all"}},
	{layer: "internal/app", ours: []string{"all"}, modules: []string{
		"github.com/google/uuid",
		"github.com/prometheus/client_golang", "golang.org/x/sync",
		"golang.org/x/mod",           // the types of signed notes, for witnesses
		"golang.org/x/crypto",        // the types of SSH keys, for the partners' door
		"github.com/smallstep/pkcs7", // the form in which EST gives certificates
	}},
	{layer: "internal/cli", ours: []string{"all"}, modules: []string{
		"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term", "github.com/mattn/go-isatty",
	}},
	{layer: "internal/arch"},

	{layer: "internal/codec/*", noStd: pure, modules: []string{"golang.org/x/text"}},
	{layer: "internal/convert/analyzers", noStd: pure, modules: []string{"github.com/goccy/go-yaml"}},
	{layer: "internal/convert/*", ours: []string{"internal/codec/*", "internal/convert/analyzers"}, noStd: pure},

	{layer: "internal/channel/tunnel", ours: onChannel, modules: []string{
		"golang.zx2c4.com/wireguard", "gvisor.dev/gvisor", // gvisor: the TCP stack inside a WireGuard tunnel
	}},
	{layer: "internal/channel/envelope", ours: onChannel, modules: []string{
		"filippo.io/age", "github.com/ProtonMail/go-crypto", "github.com/smallstep/pkcs7",
	}},
	{layer: "internal/channel/sftp", ours: onChannel, modules: []string{"github.com/pkg/sftp", "golang.org/x/crypto"}},
	{layer: "internal/channel/ftps", ours: onChannel},
	{layer: "internal/channel/shieldlink", ours: onChannel, modules: []string{"golang.org/x/sync"}},
	{layer: "internal/channel/*", ours: onChannel},
	{layer: "internal/channel"},

	{layer: "internal/platform/store", ours: onPlatform, modules: []string{"modernc.org/sqlite", "github.com/jackc/pgx/v5"}},
	{layer: "internal/platform/config", ours: onPlatform, modules: []string{"github.com/goccy/go-yaml"}},
	{layer: "internal/platform/ledger", ours: onPlatform, modules: []string{
		"golang.org/x/mod", "golang.org/x/crypto", "github.com/klauspost/compress", // compress: a group's events are one packed row
	}},
	{layer: "internal/platform/proof", ours: onPlatform, modules: []string{"golang.org/x/mod", "golang.org/x/crypto"}},
	{layer: "internal/platform/publiccert", ours: onPlatform, modules: []string{
		"github.com/caddyserver/certmagic", "go.uber.org/zap", // zap: certmagic wants a logger of it, and gets one that is silent
	}},
	{layer: "internal/platform/receipt", ours: onPlatform, modules: []string{"golang.org/x/mod"}},
	{layer: "internal/platform/bus", ours: onPlatform, modules: []string{"golang.org/x/mod"}},
	{layer: "internal/platform/event", ours: onPlatform, modules: []string{"github.com/google/uuid"}},
	{layer: "internal/platform/mail", ours: onPlatform, modules: []string{"github.com/wneessen/go-mail"}},
	{layer: "internal/platform/heartbeat", ours: onPlatform, modules: []string{"golang.org/x/mod"}},
	{layer: "internal/platform/vault/tpmseal", ours: onPlatform, modules: []string{"github.com/google/go-tpm"}},
	{layer: "internal/platform/vault", ours: onPlatform, modules: []string{
		"golang.org/x/mod", "golang.org/x/crypto", "golang.org/x/text", // text: a name is normalised before its blind index
	}},
	{layer: "internal/platform/signin", ours: onPlatform, modules: []string{
		"github.com/go-webauthn/webauthn", "github.com/descope/virtualwebauthn", "github.com/pquerna/otp",
		"github.com/coreos/go-oidc/v3", "golang.org/x/oauth2", "golang.org/x/crypto",
		"golang.org/x/text", // passwords are normalised
	}},
	{layer: "internal/platform/qr", ours: onPlatform, modules: []string{"github.com/boombuler/barcode"}},
	{layer: "internal/platform/web", ours: onPlatform, modules: []string{"github.com/a-h/templ"}},
	{layer: "internal/platform/*", ours: onPlatform},

	{layer: "internal/domain/access", ours: onDomain, modules: []string{
		"github.com/a-h/templ",
		"golang.org/x/text", // names and lists of other systems are read
	}},
	{layer: "internal/domain/certificates", ours: onDomain, modules: []string{
		"github.com/a-h/templ",
		"golang.org/x/crypto", // ssh: certificates of SSH users
	}},
	{layer: "internal/domain/partners", ours: onDomain, modules: []string{
		"github.com/a-h/templ",
		"github.com/pquerna/otp",   // codes beside the passwords of boxes
		"codeberg.org/go-pdf/fpdf", // results and letters of the portal as PDF
	}},
	{layer: "internal/domain/setup", ours: onDomain, modules: []string{"github.com/a-h/templ"}},
	{layer: "internal/domain/tunnels", ours: onDomain, modules: []string{"github.com/a-h/templ"}},
	{layer: "internal/domain/results", ours: onDomain, modules: []string{
		"github.com/a-h/templ",
		"github.com/expr-lang/expr", "go.starlark.net", "github.com/klauspost/compress", "golang.org/x/mod",
	}},
	{layer: "internal/domain/firewall", ours: onDomain, modules: []string{"github.com/google/nftables"}},
	{layer: "internal/domain/*", ours: onDomain},

	{layer: "internal/node/front", noDatabase: true, modules: []string{"github.com/landlock-lsm/go-landlock"}, ours: []string{
		"internal/platform/*", "internal/channel", "internal/channel/*", "internal/codec/*", "internal/convert/*",
	}},
	{layer: "internal/node/*", noDatabase: true, ours: []string{
		"internal/platform/*", "internal/channel", "internal/channel/*", "internal/codec/*", "internal/convert/*",
	}},

	// The demo's laboratory and clinics are counterparts in processes of their
	// own: they must not share the hub's code for what they check.
	{layer: "internal/demo", modules: []string{"filippo.io/age"}, ours: []string{
		"internal/codec/*", "internal/channel", "internal/channel/*", "internal/platform/pki",
	}},

	// End to end: the programs as they are built. What judges them are the
	// demo's lists and the ledger's audit.
	{layer: "e2e/boxes", modules: []string{"golang.org/x/crypto", "github.com/pkg/sftp", "github.com/pquerna/otp", "filippo.io/age"}}, // the partners' clients
	{layer: "e2e/*", ours: []string{"e2e/npm", "internal/app", "internal/demo", "internal/domain/results", "internal/platform/*"}},
}

var (
	onChannel  = []string{"internal/channel", "internal/codec/*"}
	onPlatform = []string{"internal/channel", "internal/platform/*"}
	onDomain   = []string{"internal/platform/*", "internal/codec/*", "internal/convert/*", "internal/channel"}
)

// badNames say nothing about what is in a package.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "misc"}

// maxLines is the size at which a source file has become several.
const maxLines = 500

// longFiles may be longer: path and reason.
var longFiles = map[string]string{}

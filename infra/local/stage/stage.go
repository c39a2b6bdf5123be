// Package stage is what runs on the template: the stages as they are compiled into this program, and workspaces as an
// apply puts them onto a deployment. There is one way to do this, for people's laptops and for tests.
package stage

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/connectors/all"
	api "loophub/functions/api/wiring"
	attribution "loophub/functions/attribution/wiring"
	ingest "loophub/functions/ingest/wiring"
	journey "loophub/functions/journey/wiring"
	links "loophub/functions/links/wiring"
	message "loophub/functions/message/wiring"
	publish "loophub/functions/publish/wiring"
	segment "loophub/functions/segment/wiring"
	sweep "loophub/functions/sweep/wiring"
	unify "loophub/functions/unify/wiring"
	writeback "loophub/functions/writeback/wiring"
	"loophub/infra/local"
	"loophub/infra/local/lambda"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/validation"
	"loophub/shared/workspace"
)

// wirings are the functions of the template.
var wirings = map[string]func(deps.Deps) (awslambda.Handler, error){
	"ingest": ingest.New, "unify": unify.New, "publish": publish.New, "segment": segment.New,
	"journey": journey.New, "message": message.New, "attribution": attribution.New, "writeback": writeback.New, "links": links.New, "api": api.New, "sweep": sweep.New,
}

// Names are the stages of the template, sorted.
func Names() []string { return slices.Sorted(maps.Keys(wirings)) }

// Outbound is the variable that names simulators to the stages, in the place of the vendors' addresses: connector=URL,
// with commas between. No template has it.
const Outbound = "LOOPHUB_OUTBOUND"

// Handlers run the stages as they are compiled into this program. What they write to outside systems goes to the
// simulators, as Outbound has them.
func Handlers(simulators string) map[string]lambda.Factory {
	handlers := map[string]lambda.Factory{}
	for name, wire := range wirings {
		handlers[name] = Told(simulators, func(e lambda.Environment) (awslambda.Handler, error) { return wire(deps.Deps(e)) })
	}
	return handlers
}

// Told tells a stage of simulators.
func Told(simulators string, start lambda.Factory) lambda.Factory {
	return func(e lambda.Environment) (awslambda.Handler, error) {
		getenv := e.Getenv
		e.Getenv = func(name string) string {
			if name == Outbound {
				return simulators
			}
			return getenv(name)
		}
		return start(e)
	}
}

// Secret signs the deliveries of every connection, and is what every connection shows to its system. It is public and
// protects nothing.
const Secret = "loophub-demo-secret"

// Token is a workspace's API token, as public.
func Token(workspace string) string { return workspace + ".demo-token-of-this-laptop" }

// Prefix is where the template says that parameters lie.
const Prefix = "/loophub"

// Writer changes definitions on a cloud, as the account.
func Writer(c *local.Cloud) *definition.Writer {
	account, known := c.Config(""), Manifests()
	return definition.NewWriter(dynamodb.NewFromConfig(account), ssm.NewFromConfig(account), HubTable(c), Prefix, known, keys(),
		validation.Checks(known)...)
}

// Apply uploads a workspace file, and makes a secret for each connection, credentials for those that are written to, and a
// token.
func Apply(ctx context.Context, c *local.Cloud, text []byte) (workspace.Workspace, error) {
	w := Writer(c)
	done, err := w.Apply(ctx, text)
	if err != nil {
		return workspace.Workspace{}, err
	}
	is := done.Workspace
	for _, name := range slices.Sorted(maps.Keys(is.Connections)) {
		if err := w.SetSecrets(ctx, is.ID, name, []connector.Secret{Secret}); err != nil {
			return is, err
		}
		bearer := bearerOf(is.Connections[name].Connector)
		if bearer == "" {
			continue
		}
		if err := w.SetCredentials(ctx, is.ID, name, map[string]string{bearer: Secret}); err != nil {
			return is, fmt.Errorf("storing credentials: %w", err)
		}
	}
	return is, w.SetTokens(ctx, is.ID, []string{Token(is.ID)})
}

// bearerOf is the name of what a connector shows to its system; "" = nothing.
func bearerOf(connector string) string {
	for _, m := range Manifests() {
		if m.Name == connector && m.Outbound != nil {
			return m.Outbound.Bearer
		}
	}
	return ""
}

// keys makes the identity keys of workspaces: the same for everybody, so that ids and what hangs on them, such as the
// variants of a split, are too.
func keys() io.Reader {
	return rand.NewChaCha8([32]byte([]byte("loophub on this laptop, unsecret")))
}

// HubTable is the physical name of the Hub table.
func HubTable(c *local.Cloud) string {
	for _, t := range c.Stack().Tables {
		if t.LogicalID == "HubTable" {
			return t.Name
		}
	}
	return ""
}

// Manifests are those of all connectors.
func Manifests() []connector.Manifest {
	var l []connector.Manifest
	for _, c := range all.Connectors() {
		l = append(l, c.Manifest)
	}
	return l
}

// Package stack describes everything of Loophub that lives in an AWS account: two tables, their streams, a bus, queues,
// a bucket, a schedule, the way to SES and back, and one function per stage.
//
// Logical ids are written out and never change: CloudFormation would replace what is renamed, tables and webhook
// addresses among it. No policy names an action by wildcard or the resource "*"; tests walk the template to prove it.
package stack

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Props says what a deployment is made from.
type Props struct {
	// Build is the folder that `make build` fills: <Build>/<stage>/bootstrap for every stage.
	Build string
}

// Check reports a stage that has not been built, before the CDK does it in many more words.
func (p Props) Check() error {
	for _, s := range Stages() {
		if _, err := os.Stat(filepath.Join(p.Build, s, "bootstrap")); err != nil {
			return fmt.Errorf("finding the binary of stage %s (run make build): %w", s, err)
		}
	}
	return nil
}

// resources are what the stages share: made once, handed to every stage that uses them.
type resources struct {
	inbox, hub         awsdynamodb.Table
	spill, retry, dead awssqs.Queue
	queues             map[string]awssqs.Queue // of the stages that listen to the bus
	overflow           awss3.Bucket
	bus                awsevents.CfnEventBus
	mail               mail
}

// New adds one deployment of Loophub to the scope. Its id is the deployment's name: the bus, the log groups and the
// parameters carry it, so that several deployments fit into one account and region.
func New(scope constructs.Construct, id string, p Props) awscdk.Stack {
	s := awscdk.NewStack(scope, jsii.String(id), &awscdk.StackProps{
		Description: jsii.String("Loophub: a closed-loop customer data hub"),
		// Merchants' settings hold the webhook address for years; deleting the stack would end it.
		TerminationProtection: jsii.Bool(true),
		// The CDK's command checks the bootstrap version itself; the rule in the template would only repeat it.
		Synthesizer: awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{
			GenerateBootstrapVersionRule: jsii.Bool(false),
		}),
	})
	r := resources{inbox: newInbox(s), hub: newHub(s), overflow: newOverflow(s), bus: newBus(s), dead: newDead(s)}
	r.spill = newSpill(s, r.dead)
	r.retry = newRetry(s, r.dead)
	r.queues = newListenerQueues(s, r.dead)
	r.mail = newMail(s)
	rules := []*string{logEvents(s, r.bus, r.dead)}

	in := newIngest(s, p, r)
	un := newUnify(s, p, r)
	pub := newPublish(s, p, r)
	api := newAPI(s, p, r)
	sw := newSweep(s, p, r)
	li := newLinks(s, p, r)
	linksURL := openURL(s, "Links", li)

	rules = append(rules, listen(s, "segment", newSegment(s, p, r), r)...)
	rules = append(rules, listen(s, "journey", newJourney(s, p, r), r)...)
	rules = append(rules, listen(s, "message", newMessage(s, p, r, linksURL), r)...)
	rules = append(rules, listen(s, "attribution", newAttribution(s, p, r), r)...)
	rules = append(rules, listen(s, "writeback", newWriteback(s, p, r), r)...)
	takeFrom(s, "DeadQueuePolicy", r.dead,
		sender{"events.amazonaws.com", rules}, sender{"sns.amazonaws.com", []*string{r.mail.topic.Ref()}})

	feedIngest(s, in, r.mail, r.dead)
	feedUnify(s, un, r)
	feedPublish(s, pub, r)
	tick(s, sw, r.dead)

	output(s, "IngestUrl", "Where webhooks are posted: <IngestUrl>hooks/<workspace>/<connection>", openURL(s, "Ingest", in))
	output(s, "ApiUrl", "The API for consoles and scripts", openURL(s, "Api", api))
	output(s, "LinksUrl", "What the links of messages lead to", linksURL)
	output(s, "InboxTable", "One item per delivery", r.inbox.TableName())
	output(s, "HubTable", "Facts, fragments, identifiers", r.hub.TableName())
	return s
}

// output publishes a value under a name that scripts may rely on.
func output(s awscdk.Stack, name, description string, value *string) {
	awscdk.NewCfnOutput(s, jsii.String(name+"Output"), &awscdk.CfnOutputProps{
		Description: jsii.String(description), Value: value,
	}).OverrideLogicalId(jsii.String(name))
}

// named gives the resource behind a construct its logical id, for ever.
func named(c constructs.IConstruct, logicalID string) {
	e, ok := c.Node().DefaultChild().(awscdk.CfnElement)
	if !ok {
		panic("infra/stack: no resource behind the construct " + logicalID)
	}
	e.OverrideLogicalId(jsii.String(logicalID))
}

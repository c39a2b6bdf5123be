package hub

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"loophub/shared/fault"
)

// Controls are what operators have stopped. In the table:
//
//	<ws>#controls#    STATE           what is stopped, under its version
//	<ws>#h#<control>  <stage>|<what>  what waits for it to go on
type Controls struct {
	StopAll      bool     `json:"stop_all,omitempty"`
	Connections  []string `json:"connections,omitempty"`
	Journeys     []string `json:"journeys,omitempty"`
	Destinations []string `json:"destinations,omitempty"`

	Version int64 `json:"-"` // of the stored item; 0 = nothing was ever stopped
}

// Stops tells whether a control is in force.
func (c Controls) Stops(control string) bool {
	if control == ControlAll {
		return c.StopAll
	}
	for kind, names := range map[string][]string{ControlConnection: c.Connections, ControlJourney: c.Journeys, ControlDestination: c.Destinations} {
		if slices.ContainsFunc(names, func(name string) bool { return control == Control(kind, name) }) {
			return true
		}
	}
	return false
}

// The kinds of control.
const (
	ControlAll         = "stop_all"
	ControlConnection  = "connection"
	ControlJourney     = "journey"
	ControlDestination = "destination"
)

// Control names a control: of one connection, journey or destination, or ControlAll.
func Control(kind, name string) string {
	if kind == ControlAll {
		return kind
	}
	return kind + "|" + name
}

func (w Workspace) controls() key { return w.key("controls", "", "STATE") }

// Controls reads what is stopped.
func (w Workspace) Controls(ctx context.Context) (Controls, error) {
	var c Controls
	item, err := w.get(ctx, w.controls())
	if err != nil || item == nil {
		return c, err
	}
	if err := unpack(item["d"], &c); err != nil {
		return c, fault.As(fault.Permanent, fmt.Errorf("controls: %w", err))
	}
	c.Version = integer(item["v"])
	return c, nil
}

// CommitControls stores what was read at c.Version, or gives profile.ErrLost.
func (w Workspace) CommitControls(ctx context.Context, c Controls) error {
	item := w.controls()
	var err error
	if item["d"], err = pack(c); err != nil {
		return fault.As(fault.Permanent, err)
	}
	item["v"] = number(c.Version + 1)
	condition, values := guard(c.Version)
	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item, ConditionExpression: condition, ExpressionAttributeValues: values})
	return won(err)
}

// Hold keeps what a stage can't do now until the control is lifted. Holding it
// again changes nothing.
func (w Workspace) Hold(ctx context.Context, control, stage, what string) error {
	_, err := w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: w.key("h", control, stage+"|"+what)})
	return classed(err)
}

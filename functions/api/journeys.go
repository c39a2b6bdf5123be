package api

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"loophub/shared/attribution"
)

// Counters are what messages and journeys brought.
type Counters interface {
	// Counters are those of one journey.
	Counters(ctx context.Context, journey string) (attribution.Counts, error)
}

// The shapes of openapi.yaml.

type journeyLine struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	Entered int64  `json:"entered"`
	HeldOut int64  `json:"held_out"`
	Ordered int64  `json:"ordered"`
	Sent    int64  `json:"sent"`
}

type report struct {
	Journey  string          `json:"journey"`
	At       string          `json:"at"`
	Windows  reportWindows   `json:"windows"`
	Variants []reportVariant `json:"variants"`
	Holdout  arm             `json:"holdout"`
}

type reportWindows struct {
	Click   map[string]int64 `json:"click"`
	Voucher int64            `json:"voucher"`
	Entry   int64            `json:"entry"`
}

type reportVariant struct {
	Variant   string           `json:"variant"`
	Templates []reportTemplate `json:"templates"`
	Entries   arm              `json:"entries"`
	Against   comparison       `json:"against_holdout"`
}

type reportTemplate struct {
	Template     *string  `json:"template"`
	Sent         int64    `json:"sent"`
	Delivered    int64    `json:"delivered"`
	Opened       int64    `json:"opened"`
	Clicked      int64    `json:"clicked"`
	Bounced      int64    `json:"bounced"`
	Complained   int64    `json:"complained"`
	Unsubscribed int64    `json:"unsubscribed"`
	Converted    int64    `json:"converted"`
	Revenue      []earned `json:"revenue"`
}

type earned struct {
	Currency string `json:"currency"`
	Orders   int64  `json:"orders"`
	Net      int64  `json:"net"`
}

type arm struct {
	Entered int64       `json:"entered"`
	Reached int64       `json:"reached_goal"`
	Ordered int64       `json:"ordered"`
	Rate    *int64      `json:"rate"`
	Revenue []armEarned `json:"revenue"`
}

type armEarned struct {
	earned
	PerEntry *int64 `json:"per_entry"`
}

type comparison struct {
	Lift        *int64 `json:"lift"`
	Low         *int64 `json:"low"`
	High        *int64 `json:"high"`
	Significant bool   `json:"significant"`
	Note        string `json:"note"`
}

// journeys lists the journeys of the definition that counts.
func (h *handling) journeys(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	list := []journeyLine{}
	for _, name := range slices.Sorted(maps.Keys(h.workspace.Journeys)) {
		r, err := h.counted(ctx, name)
		if err != nil {
			return nil, err
		}
		line := journeyLine{Name: name, About: h.workspace.Journeys[name].About, HeldOut: r.Holdout.Entered}
		for _, v := range r.Variants {
			line.Entered, line.Ordered = line.Entered+v.Arm.Entered, line.Ordered+v.Arm.Ordered
			for _, t := range v.Templates {
				line.Sent += t.Sent
			}
		}
		list = append(list, line)
	}
	return map[string]any{"journeys": list}, nil
}

func (h *handling) counted(ctx context.Context, journey string) (attribution.Report, error) {
	c, err := h.hub.Counters(ctx, journey)
	if err != nil {
		return attribution.Report{}, fmt.Errorf("reading the counters of a journey: %w", err)
	}
	return attribution.NewReport(c), nil
}

// report tells what a journey brought, from its counters alone.
func (h *handling) report(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	name := h.args["name"]
	if _, there := h.workspace.Journeys[name]; !there {
		return nil, notFound("there is no such journey in the workspace's definition; GET /v1/journeys lists them")
	}
	r, err := h.counted(ctx, name)
	if err != nil {
		return nil, err
	}
	w := attribution.WindowsOf(h.workspace)
	out := report{Journey: name, At: stamp(h.now.UnixMilli()), Variants: []reportVariant{}, Holdout: armOf(r.Holdout),
		Windows: reportWindows{Click: map[string]int64{}, Voucher: w.VoucherFor().Milliseconds() / 1000, Entry: w.EntryFor(name).Milliseconds() / 1000}}
	for _, t := range h.workspace.Templates {
		out.Windows.Click[t.Connection] = w.ClickFor(t.Connection).Milliseconds() / 1000
	}
	for _, v := range r.Variants {
		one := reportVariant{Variant: v.Name, Templates: []reportTemplate{}, Entries: armOf(v.Arm), Against: comparisonOf(v.Against)}
		for _, t := range v.Templates {
			one.Templates = append(one.Templates, templateOf(t))
		}
		out.Variants = append(out.Variants, one)
	}
	return out, nil
}

func templateOf(t attribution.Template) reportTemplate {
	out := reportTemplate{Sent: t.Sent, Delivered: t.Delivered, Opened: t.Opened, Clicked: t.Clicked, Bounced: t.Bounced, Complained: t.Complained,
		Unsubscribed: t.Unsubscribed, Converted: t.Converted, Revenue: []earned{}}
	if t.Name != "" {
		out.Template = &t.Name
	}
	for _, r := range t.Revenue {
		out.Revenue = append(out.Revenue, earned(r))
	}
	return out
}

func armOf(a attribution.Arm) arm {
	out := arm{Entered: a.Entered, Reached: a.Reached, Ordered: a.Ordered, Revenue: []armEarned{}}
	if rate, ok := a.Rate(); ok {
		out.Rate = &rate
	}
	for _, r := range a.Revenue {
		one := armEarned{earned: earned(r)}
		if each, ok := a.PerEntry(r); ok {
			one.PerEntry = &each
		}
		out.Revenue = append(out.Revenue, one)
	}
	return out
}

func comparisonOf(c attribution.Comparison) comparison {
	out := comparison{Significant: c.Significant, Note: c.Note}
	if c.Known {
		out.Lift, out.Low, out.High = &c.Lift, &c.Low, &c.High
	}
	return out
}

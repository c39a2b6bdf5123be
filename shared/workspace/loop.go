package workspace

import "time"

// Template is a message as people write it, in one or more languages.
type Template struct {
	Name       string             `json:"name"`
	About      string             `json:"about,omitempty"`
	Connection string             `json:"connection"` // the channel that sends it
	Purpose    Purpose            `json:"purpose"`
	Locale     string             `json:"locale"` // of the content for whom no other fits
	Contents   map[string]Content `json:"contents"`
	Sample     map[string]string  `json:"sample,omitempty"` // values for a test send: traits.first_name: Lan
}

// Content is a template in one language: Liquid.
type Content struct {
	Subject string `json:"subject,omitempty"`
	HTML    string `json:"html,omitempty"`
	Text    string `json:"text,omitempty"` // "" = made from HTML
}

// Purpose says what a message is for, and so what consent it needs.
type Purpose string

// The purposes.
const (
	Marketing     Purpose = "marketing"     // needs consent; keeps to quiet hours and caps
	Transactional Purpose = "transactional" // about something that the customer did; needs an address that is not suppressed
	Confirmation  Purpose = "confirmation"  // asks for an opt-in; once a day and address
)

// Policies are what every message keeps to.
type Policies struct {
	Quiet       *Quiet        `json:"quiet_hours,omitempty"`
	Caps        []Cap         `json:"caps,omitempty"`
	Duplicates  time.Duration `json:"duplicates,omitempty"` // the same template to the same person again at the earliest; 0 = a day
	Attribution Attribution   `json:"attribution"`
}

// Quiet are hours in which no marketing message goes out: local times of the
// person's zone, else the workspace's. The span may pass midnight.
type Quiet struct {
	From string `json:"from"` // 21:00
	To   string `json:"to"`   // 08:00
}

// Cap is the most messages that a person gets within any span of that length.
type Cap struct {
	Channel string        `json:"channel,omitempty"` // connector, such as ses; "" = all together
	Purpose Purpose       `json:"purpose,omitempty"` // "" = marketing
	AtMost  int           `json:"at_most"`
	Within  time.Duration `json:"within"`
}

// Attribution says how long after a touch an order counts as its work.
type Attribution struct {
	Click   map[string]time.Duration `json:"click,omitempty"`   // by connector, such as ses; absent = five days
	Voucher time.Duration            `json:"voucher,omitempty"` // 0 = thirty days
}

// Voucher is a pool of codes that the merchant uploads and the shop honours.
type Voucher struct {
	Name  string `json:"name"`
	About string `json:"about,omitempty"`
}

// Journey is what happens with a customer, step by step.
type Journey struct {
	Name    string  `json:"name"`
	About   string  `json:"about,omitempty"`
	Trigger Trigger `json:"trigger"`
	ReEntry ReEntry `json:"re_entry"`
	Holdout int     `json:"holdout,omitempty"` // per cent of the entrants to whom nothing happens
	Goal    *Goal   `json:"goal,omitempty"`
	Exit    string  `json:"exit,omitempty"` // rule; whoever meets it leaves before the next step
	Steps   []Step  `json:"steps"`
}

// Trigger lets a customer in: exactly one of Entered, Left, Event, Date, API.
type Trigger struct {
	Entered string `json:"entered,omitempty"` // segment
	Left    string `json:"left,omitempty"`    // segment
	Event   string `json:"event,omitempty"`   // events.Occurrence.What
	Date    *Date  `json:"date,omitempty"`
	API     bool   `json:"api,omitempty"`
	When    string `json:"when,omitempty"` // rule that must hold as well
}

// Date is a day of each year that a trait names.
type Date struct {
	Trait  string        `json:"trait"` // birthday: YYYY-MM-DD
	Before time.Duration `json:"before,omitempty"`
	At     string        `json:"at"` // 09:00, local time of the person
}

// ReEntry says who may come in again. The zero value: never.
type ReEntry struct {
	Always bool          `json:"always,omitempty"` // as soon as the last entry ended
	After  time.Duration `json:"after,omitempty"`  // since the last entry began, and ended
}

// Goal ends an entry as reached.
type Goal struct {
	Event  string        `json:"event"`
	Within time.Duration `json:"within,omitempty"` // of the entry; 0 = at any time while inside
}

// Step is one step: exactly one of the others beside ID is set.
type Step struct {
	ID      string    `json:"id,omitempty"` // "" = its place, such as 3 or 3.then.1
	Wait    *Wait     `json:"wait,omitempty"`
	WaitFor *WaitFor  `json:"wait_for,omitempty"`
	Branch  *Branch   `json:"branch,omitempty"`
	Split   []Variant `json:"split,omitempty"`
	Send    string    `json:"send,omitempty"`    // template
	Voucher string    `json:"voucher,omitempty"` // pool; the code stands in templates as voucher.code
	Tag     *Tag      `json:"tag,omitempty"`
	Task    *Task     `json:"task,omitempty"`
	Goto    string    `json:"goto,omitempty"` // id of a step of the outermost list
	Exit    bool      `json:"exit,omitempty"`
}

// Wait lets time pass: a span, then until a time of day where one is given.
type Wait struct {
	For   time.Duration `json:"for,omitempty"`
	Until string        `json:"until,omitempty"` // 09:00, local time of the person
}

// WaitFor waits for an event, and no longer than the time-out.
type WaitFor struct {
	Event   string        `json:"event"`
	TimeOut time.Duration `json:"timeout"`
	Then    []Step        `json:"then,omitempty"` // it came
	Else    []Step        `json:"else,omitempty"` // it did not
}

// Branch goes one of two ways.
type Branch struct {
	When string `json:"when"` // rule
	Then []Step `json:"then,omitempty"`
	Else []Step `json:"else,omitempty"`
}

// Variant is one way of a split. A person gets the same one at every entry.
type Variant struct {
	Name  string `json:"name"`
	Share int    `json:"share"` // per cent; those of a split make 100
	Steps []Step `json:"steps,omitempty"`
}

// Tag adds or removes a tag.
type Tag struct {
	Add    string `json:"add,omitempty"`
	Remove string `json:"remove,omitempty"`
}

// Task asks somebody to do something.
type Task struct {
	Title string `json:"title"`
	Note  string `json:"note,omitempty"`
}

// Destination is a system that results are written back to.
type Destination struct {
	Name       string            `json:"name"`
	Connection string            `json:"connection"`
	When       string            `json:"when,omitempty"` // rule: who is written there; "" = whoever has an e-mail address
	Properties map[string]string `json:"properties"`     // name there → expression
}

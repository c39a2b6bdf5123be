package message

import "errors"

// ErrUncertain says of a send that nobody knows whether the channel took it: the
// answer did not come, or said nothing. It must not be tried again.
var ErrUncertain = errors.New("nobody knows whether the channel took it")

// Mail is an e-mail as a channel takes it. Nothing of it is logged.
type Mail struct {
	Workspace, Connection, Fragment, Message string // by which the channel's events find back

	From, ReplyTo, To   string
	Subject, HTML, Text string
	Headers             []Header
}

// Header is one of a mail's headers.
type Header struct{ Name, Value string }

// Mail addresses what was rendered.
func (r Rendered) Mail() Mail {
	m := Mail{Subject: r.Subject, HTML: r.HTML, Text: r.Text}
	if r.Unsubscribe != "" {
		// RFC 8058: the mailbox itself posts there, at one click.
		m.Headers = []Header{{"List-Unsubscribe", "<" + r.Unsubscribe + ">"}, {"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"}}
	}
	return m
}

package iam

import (
	"fmt"
	"net/http"
	"strings"

	"loophub/infra/local/dispatch"
)

// wording is how a service says that somebody may not do something. Most services say it alike; what these do otherwise
// is known from the answers that their callers have published.
type wording struct {
	status int
	action func(string) string
	text   string // of user, action and resource; what follows is the reason, where the service gives one
	silent bool   // gives no reason
}

var usual = wording{status: http.StatusBadRequest, text: "User: %s is not authorized to perform: %s on resource: %s"}

var wordings = map[string]wording{
	"s3":  {status: http.StatusForbidden, text: "User: %s is not authorized to perform: %s on resource: \"%s\""},
	"ses": {status: http.StatusForbidden, text: "User `%s' is not authorized to perform `%s' on resource `%s'", silent: true},
	"sns": {status: http.StatusForbidden, text: usual.text, action: func(a string) string {
		return strings.Replace(a, "sns:", "SNS:", 1)
	}},
	"sqs": {status: http.StatusForbidden, text: usual.text, action: strings.ToLower},
}

// refuse is the error of a request, in the words of the service that was asked; how
// says why, with ACTION in the place of the action.
func (e *Engine) refuse(q Request, how string) error {
	service, _, _ := strings.Cut(q.Action, ":")
	w, ok := wordings[service]
	if !ok {
		w = usual
	}
	action := q.Action
	if w.action != nil {
		action = w.action(action)
	}
	text := fmt.Sprintf(w.text, e.user(q), action, q.Resource)
	if !w.silent {
		text += " " + strings.ReplaceAll(how, "ACTION", action)
	}
	return &dispatch.Error{Status: w.status, Code: "AccessDeniedException", Message: text}
}

// user is who asked, as errors name them.
func (e *Engine) user(q Request) string {
	r, ok := e.roles[q.Principal]
	switch {
	case q.Public:
		return "anonymous"
	case q.Service != "":
		return q.Service
	case q.ofAccount():
		return "arn:aws:iam::" + e.account + ":root"
	case ok:
		return fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", r.Account, r.Name, r.Session)
	}
	return q.Principal
}

package sts_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/dispatch/dispatchtest"
	"loophub/infra/local/sts"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const role, longer, closed = "arn:aws:iam::1:role/r", "arn:aws:iam::1:role/longer", "arn:aws:iam::1:role/closed"

type open struct{}

func (open) Authorise(string, dispatch.Need) error { return nil }

// door is a dispatcher that knows the service, and its clock.
type door struct {
	*dispatch.Dispatcher
	clock *clock.Offset
	cfg   aws.Config
}

func doors(t *testing.T, test func(t *testing.T, d door)) {
	t.Helper()
	for _, loopback := range []bool{false, true} {
		t.Run(map[bool]string{false: "in process", true: "loopback"}[loopback], func(t *testing.T) {
			d := door{Dispatcher: dispatch.New(open{}), clock: clock.Stopped(noon)}
			d.Register("sts", sts.New(sts.Config{Account: "1", Clock: d.clock, Admit: d.AdmitFor,
				Roles: map[string]sts.Role{role: {Session: "f"}, longer: {Session: "g", Longest: 2 * time.Hour}, closed: {Session: "h"}},
				Assume: func(principal, role string) error {
					if role == closed || principal != "" {
						return &dispatch.Error{Code: "AccessDeniedException", Message: "no"}
					}
					return nil
				}}))
			d.cfg = dispatchtest.Config(t, d.Dispatcher, loopback)
			test(t, d)
		})
	}
}

func refused(t *testing.T, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestWhoAmI(t *testing.T) {
	doors(t, func(t *testing.T, d door) {
		out, err := client.NewFromConfig(d.cfg).GetCallerIdentity(t.Context(), &client.GetCallerIdentityInput{})
		if err != nil || *out.Account != "1" || *out.Arn != "arn:aws:iam::1:root" || *out.UserId != "1" {
			t.Errorf("the account: %+v %v", out, err)
		}
		cfg := d.cfg
		if cfg.BaseEndpoint == nil {
			cfg.HTTPClient = d.Client(role)
		}
		cfg.Credentials = static(d.Admit(role))
		out, err = client.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &client.GetCallerIdentityInput{})
		if err != nil || *out.Arn != "arn:aws:sts::1:assumed-role/r/f" {
			t.Errorf("a function's role: %+v %v", out, err)
		}
	})
}

func static(key string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: key, SecretAccessKey: "local", SessionToken: "local"}, nil
	})
}

func TestAssumeRole(t *testing.T) {
	doors(t, func(t *testing.T, d door) {
		c := client.NewFromConfig(d.cfg)
		out, err := c.AssumeRole(t.Context(), &client.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("an.operator@shop")})
		if err != nil || *out.AssumedRoleUser.Arn != "arn:aws:sts::1:assumed-role/r/an.operator@shop" || !out.Credentials.Expiration.Equal(noon.Add(time.Hour)) {
			t.Fatalf("%+v %v", out, err)
		}
		again, err := c.AssumeRole(t.Context(), &client.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("an.operator@shop")})
		if err != nil || *again.Credentials.AccessKeyId == *out.Credentials.AccessKeyId {
			t.Errorf("two sessions share a key: %v", err)
		}
		if d.cfg.BaseEndpoint == nil {
			return // the other door is bound to its principal
		}
		cfg := d.cfg
		cfg.Credentials = static(*out.Credentials.AccessKeyId)
		worn := client.NewFromConfig(cfg)
		who, err := worn.GetCallerIdentity(t.Context(), &client.GetCallerIdentityInput{})
		if err != nil || *who.Arn != *out.AssumedRoleUser.Arn || *who.UserId != *out.AssumedRoleUser.AssumedRoleId {
			t.Errorf("as the role: %+v %v", who, err)
		}
		_, err = worn.AssumeRole(t.Context(), &client.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("again")})
		refused(t, err, "AccessDenied")
		d.clock.AdvanceTo(noon.Add(time.Hour + time.Second))
		_, err = worn.GetCallerIdentity(t.Context(), &client.GetCallerIdentityInput{})
		refused(t, err, "ExpiredToken")
		cfg.Credentials = static("ASIANOBODY")
		_, err = client.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &client.GetCallerIdentityInput{})
		refused(t, err, "InvalidClientTokenId")
	})
}

func TestAssumeRoleRefuses(t *testing.T) {
	doors(t, func(t *testing.T, d door) {
		c := client.NewFromConfig(d.cfg)
		session := aws.String("me")
		for name, test := range map[string]struct {
			in   client.AssumeRoleInput
			code string
		}{
			"a closed role":   {client.AssumeRoleInput{RoleArn: aws.String(closed), RoleSessionName: session}, "AccessDenied"},
			"a bad name":      {client.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("a b")}, "ValidationError"},
			"a short time":    {client.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: session, DurationSeconds: aws.Int32(899)}, "ValidationError"},
			"too long":        {client.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: session, DurationSeconds: aws.Int32(3601)}, "ValidationError"},
			"a policy":        {client.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: session, Policy: aws.String("{}")}, "ValidationError"},
			"an external id":  {client.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: session, ExternalId: aws.String("xy")}, "ValidationError"},
			"long, and may":   {client.AssumeRoleInput{RoleArn: aws.String(longer), RoleSessionName: session, DurationSeconds: aws.Int32(7200)}, ""},
			"longer than may": {client.AssumeRoleInput{RoleArn: aws.String(longer), RoleSessionName: session, DurationSeconds: aws.Int32(7201)}, "ValidationError"},
		} {
			_, err := c.AssumeRole(t.Context(), &test.in)
			if test.code == "" && err != nil {
				t.Errorf("%s: %v", name, err)
			} else if test.code != "" {
				refused(t, err, test.code)
			}
		}
		_, err := c.GetSessionToken(t.Context(), &client.GetSessionTokenInput{})
		refused(t, err, "UnknownOperationException")
	})
}

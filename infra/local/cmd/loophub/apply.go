package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/infra/local/stage"
	"loophub/shared/aws/definition"
	"loophub/shared/validation"
	"loophub/shared/workspace"
)

// apply uploads a workspace file to AWS: to the account, region and deployment
// that the environment and the flags name. Secrets are asked for on standard
// input, one line per connection that has none yet, and never shown; a token is
// made at the first time and shown once.
func apply(ctx context.Context, o options, out io.Writer) error {
	text, err := os.ReadFile(o.workspace)
	if err != nil {
		return fmt.Errorf("reading the workspace file: %w", err)
	}
	w, err := workspace.Parse(text, stage.Manifests(), validation.Checks(stage.Manifests())...)
	if err != nil {
		return named(o.workspace, err)
	}
	if o.table == "" {
		return errors.New("name the Hub table, which make deploy printed as HubTable: make apply WORKSPACE=… TABLE=…")
	}
	account, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("finding the AWS account: %w", err)
	}
	parameters := ssm.NewFromConfig(account)
	return upload(ctx, uploading{
		writer: definition.NewWriter(dynamodb.NewFromConfig(account), parameters, o.table, "/"+o.deployed, stage.Manifests(), rand.Reader, validation.Checks(stage.Manifests())...),
		file:   o.workspace, text: text, workspace: w, parameters: parameters, prefix: "/" + o.deployed,
		in: bufio.NewScanner(os.Stdin), out: out,
	})
}

type uploading struct {
	writer     *definition.Writer
	file       string
	text       []byte
	workspace  workspace.Workspace
	parameters *ssm.Client
	prefix     string
	in         *bufio.Scanner
	out        io.Writer
}

func upload(ctx context.Context, u uploading) error {
	done, err := u.writer.Apply(ctx, u.text)
	if err != nil {
		return named(u.file, err)
	}
	word := "is unchanged at"
	if done.Changed {
		word = "counts now as"
	}
	fmt.Fprintf(u.out, "%s %s version %d; the stages follow within a minute.\n", u.workspace.ID, word, done.Version)
	for _, name := range slices.Sorted(keys(u.workspace.Connections)) {
		if err := u.secret(ctx, u.workspace.Connections[name]); err != nil {
			return err
		}
	}
	if u.there(ctx, u.prefix+"/"+u.workspace.ID+"/tokens") {
		return nil
	}
	token := u.workspace.ID + "." + rand.Text()
	if err := u.writer.SetTokens(ctx, u.workspace.ID, []string{token}); err != nil {
		return err
	}
	fmt.Fprintf(u.out, "The API's token, shown this once: %s\n", token)
	return nil
}

// secret asks for what signs a connection's deliveries, where something does and
// none is stored.
func (u uploading) secret(ctx context.Context, c workspace.Connection) error {
	n := slices.IndexFunc(stage.Manifests(), func(m connector.Manifest) bool { return m.Name == c.Connector })
	if n < 0 || stage.Manifests()[n].Secrets == "" || u.there(ctx, u.prefix+"/"+u.workspace.ID+"/connections/"+c.Name+"/secrets") {
		return nil
	}
	fmt.Fprintf(u.out, "%s: paste its secret (%s), then Enter: ", c.Name, stage.Manifests()[n].Secrets)
	if !u.in.Scan() || strings.TrimSpace(u.in.Text()) == "" {
		fmt.Fprintf(u.out, "\nnone given; until it has one, all deliveries of %s are refused. Run this again.\n", c.Name)
		return nil
	}
	fmt.Fprintln(u.out)
	return u.writer.SetSecrets(ctx, u.workspace.ID, c.Name, []connector.Secret{connector.Secret(strings.TrimSpace(u.in.Text()))})
}

func (u uploading) there(ctx context.Context, name string) bool {
	_, err := u.parameters.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(name)})
	return err == nil
}

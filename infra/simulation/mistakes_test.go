package simulation

// mistake is something that a tired engineer could write. Old stands exactly once in the file.
type mistake struct {
	name string
	file string // of the module
	old  string
	new  string
	why  string // it is wrong
}

var mistakes = []mistake{
	{"dedupe-removed", "shared/aws/inbox/inbox.go",
		`		ConditionExpression:                 aws.String("attribute_not_exists(pk) OR x < :now"),
		ExpressionAttributeValues:           map[string]types.AttributeValue{":now": number(s.ReceivedAt.Unix())},
`, "",
		"a copy takes the place of the delivery that is there, with what was noted of it"},
	{"ack-before-store", "functions/ingest/store.go",
		`		return s.Key, errors.Join(inboxErr, err)`,
		`		h.line.Err = err`,
		"what neither the Inbox nor the spill queue took is acknowledged"},
	{"spill-deleted-first", "functions/sweep/spill.go",
		`		stored, works := s.store(working, batch, &r)
`,
		`		var all []string
		for _, d := range batch {
			all = append(all, d.Receipt)
		}
		_ = s.Queue.Delete(ctx, all)
		stored, works := s.store(working, batch, &r)
`,
		"a spilled delivery is gone when storing it fails"},
	{"retry-send-swallowed", "functions/unify/unify.go",
		`				r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.DynamoDBBatchItemFailure{ItemIdentifier: e.Records[n].Change.SequenceNumber})`,
		`				_ = n`,
		"a delivery that failed and could not be sent to the retry queue is forgotten"},
	{"retry-failures-ignored", "functions/unify/unify.go",
		`			r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.SQSBatchItemFailure{ItemIdentifier: e.Records[n].MessageId})`,
		`			_ = n`,
		"a delivery is tried again once, and not until it is in"},
	{"faulty-parts-win", "functions/unify/take.go",
		`	i.faults = append(i.faults, faults...)
`,
		`	i.faults = append(i.faults, faults...)
	if len(faults) > 0 {
		return nil
	}
`,
		"what can be read of a delivery is lost with what can't"},
	{"not-parked", "functions/unify/take.go",
		`	if i.err != nil || len(i.faults) == 0 {
		return
	}`,
		`	if i.err != nil || len(i.faults) == 0 || len(i.facts) == 0 {
		return
	}`,
		"what can't be read is acknowledged, and nobody is told"},
	{"fact-put-swallowed", "functions/unify/settle.go",
		`	if err := u.Hub.Put(ctx, f); err != nil {
		return fmt.Errorf("putting the fact: %w", err)
	}
	return nil
}

func (u Unifier) index(`,
		`	_ = u.Hub.Put(ctx, f)
	return nil
}

func (u Unifier) index(`,
		"a fact that could not be put is taken for known"},
	{"fragment-guard-dropped", "shared/aws/hub/fragment.go",
		`		_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item,
			ConditionExpression: condition, ExpressionAttributeValues: values})
		return won(err)
	}
	all := []types.TransactWriteItem{{Put: &types.Put{TableName: &w.table, Item: item,`,
		`		_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item})
		return won(err)
	}
	all := []types.TransactWriteItem{{Put: &types.Put{TableName: &w.table, Item: item,`,
		"of two writers of a fragment the slower overwrites what the other took in"},
	{"identity-guard-dropped", "shared/aws/hub/fragment.go",
		`	condition, values := guard(i.Version)
	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item,
		ConditionExpression: condition, ExpressionAttributeValues: values})
	return won(err)`,
		`	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item})
	return won(err)`,
		"of two claimants of an identifier the slower is the only one"},
	{"guard-swapped", "shared/aws/hub/fragment.go",
		`	return aws.String("v = :v"), key{":v": number(version)}`,
		`	return aws.String("v >= :v"), key{":v": number(version)}`,
		"a write passes on every later version too"},
	{"link-cleared-early", "functions/unify/link.go",
		`		done, moved := f.Pending, false
`,
		`		done, moved := f.Pending, false
		early := f.Clone()
		early.Linked(done)
		if err := u.Hub.Commit(ctx, early, nil, nil); err == nil {
			early.Version++
			f = early
		}
`,
		"a death after it leaves a link that nobody makes"},
	{"link-failure-ignored", "functions/unify/process.go",
		`	return u.Link(ctx, f)
`,
		`	_ = u.Link(ctx, f)
	return nil
`,
		"a link that failed is never made"},
	{"publish-failures-ignored", "functions/publish/publish.go",
		`	for _, n := range failed {
		left = append(left, parcels[n])
	}
	return left, nil`,
		`	_ = failed
	return left, nil`,
		"entries that the bus refused are taken for announced"},
	{"publish-gives-up", "functions/publish/publish.go",
		`	return first.sequence, announced, err
`,
		`	_ = first
	return "", announced, err
`,
		"after three tries the stream goes on without what was not announced"},
	{"publish-folds-away", "functions/publish/batch.go",
		`	for _, o := range later.Occurred {
		if !slices.Contains(c.Occurred, o) {
			c.Occurred = append(c.Occurred, o)
		}
	}
`,
		`	c.Occurred = later.Occurred
`,
		"of two versions in one batch only what occurred by the later is told"},
	{"segment-failures-ignored", "functions/segment/segment.go",
		`			r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
`, "",
		"a change that could not be decided is forgotten"},
	{"segment-guard-dropped", "shared/aws/hub/segments.go",
		`	if len(emptied)+len(held) == 0 {
		_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item,
			ConditionExpression: condition, ExpressionAttributeValues: values})`,
		`	if len(emptied)+len(held) == 0 {
		_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item})`,
		"of two who decide the slower wins, with what it saw before"},
	{"armed-after-the-state", "functions/segment/decide.go",
		`	if err := s.arm(ctx, h, q, t.Now, &out); err != nil {
		return n, err
	}
	if err := s.commit(ctx, h, kept, t, out); err != nil {
		return n, err
	}
`,
		`	if err := s.commit(ctx, h, kept, t, out); err != nil {
		return n, err
	}
	if err := s.arm(ctx, h, q, t.Now, &out); err != nil {
		return n, err
	}
`,
		"a death in between leaves a moment that nobody tells"},
	{"disarmed-early", "functions/sweep/due.go",
		`			done = append(done, t.send(ctx, stage, some)...)
`,
		`			_ = t.hub.Disarm(ctx, some)
			done = append(done, t.send(ctx, stage, some)...)
`,
		"a moment that could not be sent is deleted"},
	{"cursor-runs-ahead", "functions/sweep/due.go",
		`	if t.waits != 0 {
		reached = min(reached, t.waits)
	}
`, "",
		"the cursor passes moments that were not told"},
	{"journey-failures-ignored", "functions/journey/journey.go",
		`			r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
`, `			continue
`,
		"who could not enter because a call failed never enters"},
	{"journey-step-unguarded", "shared/aws/hub/journey.go",
		`		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: item,
			ConditionExpression: condition, ExpressionAttributeValues: values}})
	}
	e := w.entry(`,
		`		_, _ = condition, values
		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: item}})
	}
	e := w.entry(`,
		"two workers take one step each, or let somebody in twice"},
	{"voucher-taken-blindly", "shared/aws/hub/voucher.go",
		`		{Delete: &types.Delete{TableName: &w.table, Key: w.available(a.Pool, a.Code), ConditionExpression: aws.String("attribute_exists(pk)")}},`,
		`		{Delete: &types.Delete{TableName: &w.table, Key: w.available(a.Pool, a.Code)}},`,
		"two people get one code"},
	{"claimed-after-sending", "functions/message/decide.go",
		`	if err := w.hub.CommitClaim(ctx, claimed, sends); err != nil {
		return retried, fmt.Errorf("claiming the message: %w", err)
	}
	claimed.Stored++
	limited, cancel := context.WithTimeout(ctx, patience)
	provider, err := w.Mailer.Send(limited, mail)
	cancel()
`,
		`	limited, cancel := context.WithTimeout(ctx, patience)
	provider, err := w.Mailer.Send(limited, mail)
	cancel()
	if err := w.hub.CommitClaim(ctx, claimed, sends); err != nil {
		return retried, fmt.Errorf("claiming the message: %w", err)
	}
	claimed.Stored++
`,
		"a death in between sends again"},
	{"uncertain-is-failed", "functions/message/decide.go",
		`	case errors.Is(err, message.ErrUncertain):
		return w.settle(ctx, claimed, func(m message.Message) (message.Message, error) { return m.Lose(w.Now()) })
`, "",
		"a mail whose answer was lost is sent again"},
	{"mail-retried-by-the-sdk", "shared/aws/mail/mail.go",
		`sesv2.NewFromConfig(c, func(o *sesv2.Options) { o.Retryer = aws.NopRetryer{} })`,
		`sesv2.NewFromConfig(c)`,
		"the SDK sends a mail again whose answer was lost"},
	{"cap-not-claimed", "functions/message/decide.go",
		`		sends[0] = sends[0].With(g.Count(now))
`,
		`		_ = g.Count(now)
`,
		"what was sent counts in no cap"},
	{"sends-unguarded", "shared/aws/hub/message.go",
		`		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: item,
			ConditionExpression: condition, ExpressionAttributeValues: values}})
	}
	_, err = w.db.TransactWriteItems(`,
		`		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: item}})
	}
	_, err = w.db.TransactWriteItems(`,
		"two messages to one person both see room under a cap"},
	{"consent-cached", "functions/message/decide.go",
		`func (w *work) person(ctx context.Context, g *gathered) error {
	members, identities, err := w.hub.Load(ctx, w.fragment)
	if err != nil {
		return fmt.Errorf("reading the profile: %w", err)
	}
	if len(members) == 0 {
		return nil
	}
`,
		`type seen struct {
	members    []profile.Fragment
	identities map[string]profile.Identity
}

var cached = map[*Stage]map[profile.ID]seen{}

func (w *work) person(ctx context.Context, g *gathered) error {
	members, identities, err := w.hub.Load(ctx, w.fragment)
	if err != nil {
		return fmt.Errorf("reading the profile: %w", err)
	}
	if len(members) == 0 {
		return nil
	}
	if cached[w.Stage] == nil {
		cached[w.Stage] = map[profile.ID]seen{}
	}
	if s, there := cached[w.Stage][w.fragment]; there {
		members, identities = s.members, s.identities
	}
	cached[w.Stage][w.fragment] = seen{members, identities}
`,
		"who withdraws goes on getting mail for as long as the instance lives"},
	{"suppression-ignored", "shared/message/decide.go",
		`		if s := stops[one.subject]; s.Withdrawn > 0 && !s.Given() {
			return one.why
		}`,
		`		_, _ = stops, one`,
		"mail goes to addresses that bounced or complained"},
	{"quiet-hours-by-the-server", "shared/message/decide.go",
		`Zone(c.View.Trait("timezone"), c.Workspace.Zone)`,
		`time.UTC`,
		"people are woken at night"},
	{"unsubscribe-not-stored", "functions/links/links.go",
		`	if err := v.store(ctx, did, ""); err != nil {
		return v.fail(err)
	}`,
		`	if err := v.store(ctx, did, ""); err != nil {
		v.line.Err = err
	}`,
		"somebody is told that there will be no more mail, and nobody knows"},
	{"credits-unguarded", "shared/aws/hub/credit.go",
		`		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: item,
			ConditionExpression: condition, ExpressionAttributeValues: values}})
	}
	all = append(all, w.additions(`,
		`		_, _ = condition, values
		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: item}})
	}
	all = append(all, w.additions(`,
		"two who count one profile at once count it twice"},
	{"counted-on-each-delivery", "functions/attribution/settle.go",
		`	return attribution.Plan(stored, kept, counts, outcome, c.limit, c.touch), nil
`,
		`	step := attribution.Plan(stored, kept, counts, outcome, c.limit, c.touch)
	if !step.Empty() {
		step.Add = counts
	}
	return step, nil
`,
		"what was counted before is counted again with everything new"},
	{"ledger-after-the-call", "functions/writeback/job.go",
		`	if err := j.commit(ctx, e); err != nil {
		return err
	}
	j.entries = append(j.entries, e)
`,
		`	j.entries = append(j.entries, e)
`,
		"after a death nobody knows what was written"},
	{"written-without-comparing", "shared/writeback/ledger.go",
		`	case len(l.Pending) > 0:
		return Step{Do: Seek}
`,
		`	case len(l.Pending) > 0:
		return Step{Do: Write}
`,
		"what may have been written is written again blindly"},
	{"ledger-guard-dropped", "shared/aws/hub/ledger.go",
		`	condition, values := guard(l.Version)
	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item,
		ConditionExpression: condition, ExpressionAttributeValues: values})
	return won(err)`,
		`	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item})
	return won(err)`,
		"two write one contact at once"},
	{"echo-not-recognised", "functions/unify/take.go",
		`	if s.Echo != nil {
		rest, ok, err`,
		`	if s.Echo == nil {
		rest, ok, err`,
		"what we wrote to the CRM comes back as the CRM's own word"},
}

package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/decimal"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Production is the baseline of not_below_production and not_above_production:
// the version in production, or the last one that was there.
const Production = "production"

// The beginnings of the keys of relative gates. A key goes on with
// "_production", or with "@" and the reference of another baseline.
const (
	notBelow = "not_below"
	notAbove = "not_above"
)

// slicesSuffix ends a metric that stands for every slice that the baseline has.
// "auc/*" means "auc/region=eu" and "auc/region=us".
const slicesSuffix = "/*"

// A relative requires a metric to be at least that of a baseline less a margin,
// or at most that of a baseline plus a margin.
type relative struct {
	key      string // not_below_production
	baseline string // Production, or a reference
	metric   string // auc, or auc/* for the slices of auc
	atMost   bool
	margin   string // raw JSON: a number, or a share of the baseline's value such as "2%"
}

// relativeKey splits the key of relative gates. It reports false for another
// key.
func relativeKey(key string) (baseline string, atMost, ok bool) {
	rest, below := strings.CutPrefix(key, notBelow)
	if !below {
		rest, atMost = strings.CutPrefix(key, notAbove)
	}
	switch {
	case !below && !atMost:
		return "", false, false
	case rest == "_"+Production:
		return Production, atMost, true
	}
	baseline, ok = strings.CutPrefix(rest, "@")
	return baseline, atMost, ok && baseline != ""
}

// parseRelatives reads the map of margins under the key of relative gates.
func parseRelatives(key string, value any) (rules []rule, err error) {
	raw, isRaw := value.(json.RawMessage)
	if !isRaw {
		if raw, err = pyjson.Marshal(textKeys(value), true); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	members, err := pyjson.Object(raw)
	if err != nil {
		return nil, fmt.Errorf(`%s: %s is not a map of margins such as {"auc": 0.01}`, key, excerpt(string(raw)))
	}
	seen := map[string]bool{}
	for _, m := range members {
		r, err := newRelative(key, m.Key, m.Value)
		if err == nil && seen[m.Key] {
			err = errors.New("it is given twice")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", key, m.Key, err)
		}
		seen[m.Key] = true
		rules = append(rules, r.rule())
	}
	return rules, nil
}

func newRelative(key, metric string, margin []byte) (r relative, err error) {
	baseline, atMost, _ := relativeKey(key)
	r = relative{key: key, baseline: baseline, metric: metric, atMost: atMost, margin: string(pyjson.Compact(nil, margin))}
	if strings.TrimSuffix(metric, slicesSuffix) == "" {
		return r, errors.New("the name of the metric is missing")
	}
	switch amount, _, err := r.amount(); {
	case err != nil:
		return r, fmt.Errorf("margin %s: %w", excerpt(r.margin), err)
	case amount.Sign() < 0:
		return r, fmt.Errorf("margin %s is negative", excerpt(r.margin))
	}
	return r, nil
}

func (r relative) rule() rule { return rule{r.key + " " + r.metric, r} }

func (r relative) value() []byte { return []byte(r.margin) }

// amount returns the margin. If it is a share of the baseline's value, 0.02
// stands for 2%.
func (r relative) amount() (amount *big.Rat, isShare bool, err error) {
	text := r.margin
	if text != "" && text[0] == '"' {
		if text, isShare = strings.CutSuffix(pyjson.Unquote([]byte(text)), "%"); !isShare {
			return nil, false, errors.New(`want a number, or a share such as "2%"`)
		}
	}
	if amount, err = decimal.Parse(text); err != nil {
		if !errors.Is(err, decimal.ErrNonFinite) {
			err = fmt.Errorf(`%w; want a number, or a share such as "2%%"`, err)
		}
		return nil, isShare, err
	}
	if isShare {
		amount.Quo(amount, big.NewRat(100, 1))
	}
	return amount, isShare, nil
}

func (r relative) evaluate(_ context.Context, c Candidate) Result {
	margin, _ := pyjson.Decode([]byte(r.margin))
	base := c.Baselines[r.baseline]
	actual, _ := c.Metrics.Get(r.metric)
	res := Result{Actual: actual, Margin: margin, Baseline: base.Version}
	isSlices := strings.HasSuffix(r.metric, slicesSuffix)
	var value *big.Rat
	if !isSlices { // the slices of the baseline replace r, if it has any
		var err error
		if value, err = metricOf(c.Metrics, r.metric); err != nil {
			res.Message = err.Error()
			return res
		}
	}
	switch {
	case base.Err != nil:
		res.Message = "no baseline: " + base.Err.Error() + remedy
		return res
	case base.Metrics == nil && base.None != "":
		res.Passed, res.Message = true, "nothing to compare with: "+base.None
		return res
	case base.Metrics == nil:
		res.Message = "no baseline: only a promotion, or a check of one, compares with another version"
		return res
	case isSlices:
		res.Message = fmt.Sprintf("%s: %v%s", base.Name, missing(base.Metrics, r.metric), remedy)
		return res
	}
	res.BaselineValue, _ = base.Metrics.Get(r.metric)
	baseValue, err := metricOf(base.Metrics, r.metric)
	if err != nil {
		res.Message = fmt.Sprintf("%s: %v%s", base.Name, err, remedy)
		return res
	}
	limit, err := r.limit(baseValue)
	if err != nil {
		res.Message = fmt.Sprintf("%s: %v%s", base.Name, err, remedy)
		return res
	}
	written := fmt.Sprint(res.BaselineValue)
	text := plain(limit, decimals(written))
	res.Threshold = json.Number(text)
	var sign string
	res.Passed, sign = compare(value, limit, r.atMost)
	res.Message = fmt.Sprintf("%s %s %s (%s: %s, margin %s)", excerpt(fmt.Sprint(actual)), sign, excerpt(text),
		base.Name, excerpt(written), excerpt(fmt.Sprint(margin)))
	return res
}

// remedy ends the message about a baseline that can't be compared with.
const remedy = "; compare with another baseline, or skip the gates and give the reason (--skip-gates --reason)"

// limit returns the value that the candidate must reach, or must not exceed.
func (r relative) limit(baseline *big.Rat) (*big.Rat, error) {
	amount, isShare, err := r.amount()
	switch {
	case err != nil: // impossible: newRelative has checked it
		return nil, err
	case isShare && baseline.Sign() <= 0:
		return nil, fmt.Errorf("its %s is %s, and a share of a value that is not above 0 is not a margin", r.metric, excerpt(plain(baseline, 0)))
	case isShare:
		amount.Mul(amount, baseline)
	}
	if r.atMost {
		return amount.Add(baseline, amount), nil
	}
	return amount.Sub(baseline, amount), nil
}

// stricterThan reports whether r is stricter than o, where both are of one key
// and metric. A number and a share can't be compared.
func (r relative) stricterThan(o relative) bool {
	x, shareX, errX := r.amount()
	y, shareY, errY := o.amount()
	return errX == nil && errY == nil && shareX == shareY && x.Cmp(y) < 0
}

// metricOf returns the exact value of a metric as it is written.
func metricOf(metrics Values, name string) (*big.Rat, error) {
	value, found := metrics.Get(name)
	if !found {
		return nil, missing(metrics, name)
	}
	n, isNumber := value.(json.Number)
	if !isNumber {
		return nil, fmt.Errorf("metric %s is not a number: %s", name, asJSON(value))
	}
	exact, err := decimal.Parse(string(n))
	if err != nil {
		return nil, fmt.Errorf("metric %s is %s: %w", name, excerpt(string(n)), err)
	}
	return exact, nil
}

// Rename returns the gates with other references to the same baselines.
func (s Set) Rename(other func(baseline string) string) Set {
	var out Set
	for _, r := range s.rules {
		if rel, is := r.condition.(relative); is {
			if text := other(rel.baseline); text != rel.baseline {
				rel.key = strings.TrimSuffix(rel.key, rel.baseline) + text
				rel.baseline = text
				r = rel.rule()
			}
		}
		out.rules = append(out.rules, r)
	}
	return out
}

// Decidable returns the gates without those whose baseline is not known.
func (s Set) Decidable(known map[string]Baseline) Set {
	var out Set
	for _, r := range s.rules {
		rel, is := r.condition.(relative)
		if _, found := known[rel.baseline]; !is || found {
			out.rules = append(out.rules, r)
		}
	}
	return out
}

// forSlices returns the rules with those of every slice of the baseline in
// place of a rule such as auc/*.
func (s Set) forSlices(c Candidate) []rule {
	var all []rule
	for _, r := range s.rules {
		rel, is := r.condition.(relative)
		prefix, isSlices := strings.CutSuffix(rel.metric, "*")
		metrics := c.Baselines[rel.baseline].Metrics
		if !is || !isSlices || !strings.HasSuffix(prefix, "/") || metrics == nil {
			all = append(all, r)
			continue
		}
		var found []string
		for name := range metrics.All() {
			if strings.HasPrefix(name, prefix) && name != prefix && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
		slices.Sort(found)
		for _, name := range found {
			slice := rel
			slice.metric = name
			all = append(all, slice.rule())
		}
		if found == nil {
			all = append(all, r)
		}
	}
	return all
}

// plain returns the exact decimal of a number, which must have one, with at
// least so many digits after the point.
func plain(r *big.Rat, least int) string {
	digits, _ := r.FloatPrec()
	return r.FloatString(max(digits, least))
}

// decimals returns how many digits stand after the point of a number as it is
// written.
func decimals(text string) int {
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	_, fraction, _ := strings.Cut(mantissa, ".")
	return len(fraction)
}

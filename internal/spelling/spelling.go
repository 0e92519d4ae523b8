// Package spelling finds the word that a misspelt text probably means. It knows
// nothing of what the words are for.
package spelling

// Near is the largest Distance of two texts of which one may be a typing error
// of the other.
const Near = 2

// Nearest returns the word with the smallest Distance from a text, or "" if no
// word is near or all of its letters would have to change. Of two such words it
// returns the first.
func Nearest(text string, words []string) string {
	best, least := "", Near+1
	for _, word := range words {
		if n := Distance(text, word); n < least && n < len(text) {
			best, least = word, n
		}
	}
	return best
}

// Distance returns how many bytes have to be added, removed or replaced to make
// a text of another one: the Levenshtein distance.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

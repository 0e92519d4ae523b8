// Package testmount is for tests that mount file systems.
package testmount

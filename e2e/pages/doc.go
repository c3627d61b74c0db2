// Package pages looks at web pages with Debian's Chromium: every page in both
// themes and on wide and narrow screens, judged by axe-core; sideways scrolling,
// violations of the content security policy, weight over the wire, and how it
// stands without JavaScript. Jobs are clicked and typed through, also by
// keyboard alone. Pictures go to .test/screens.
//
// Its own tests look at the gallery, which draws every part of
// internal/platform/web/kit. Other tests hand Look a Plan for a hub that runs.
package pages

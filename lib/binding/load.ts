/** The addon of this thread. Importing this module loads it; without it the import fails with an AddonError. */
import type { Addon } from './addon.js'
import { loadAddon } from './locate.js'

/**
 * As a prototype: V8 keeps the properties of an object it only sees as a prototype in fast form and treats them as
 * constants, while the exports object itself, filled from C++ one by one, is a dictionary. A fault makes a handful of
 * calls through it.
 */
export const addon: Addon = Object.create(loadAddon()) as Addon

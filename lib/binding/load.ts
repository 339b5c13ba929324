/** The addon of this thread. Importing this module loads it; without it the import fails with an AddonError. */
import type { Addon } from './addon.js'
import { loadAddon } from './locate.js'

export const addon: Addon = loadAddon()

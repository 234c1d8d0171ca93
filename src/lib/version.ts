import { readProjectFile } from './project-file.ts'

export const { version } = JSON.parse(readProjectFile('package.json')) as { readonly version: string }

import './design/tokens.css';
import './design/base.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { clock } from './lib/clock.svelte';
import { live } from './lib/live.svelte';
import { router } from './lib/router.svelte';
import { who } from './lib/session.svelte';

router.start();
clock.start();
live.start();
void who.load();

const target = document.getElementById('app');
if (target) mount(App, { target });

CREATE TABLE public.nas_alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.nas_attempt (
    study_id bigint NOT NULL,
    number integer NOT NULL,
    attempt integer NOT NULL,
    worker character varying(200),
    started_at double precision NOT NULL,
    ended_at double precision,
    outcome character varying(8192),
    seconds double precision,
    CONSTRAINT nas_attempt_ended_has_outcome CHECK (((ended_at IS NULL) = (outcome IS NULL)))
);
CREATE TABLE public.nas_event (
    id bigint NOT NULL,
    study_id bigint,
    at double precision NOT NULL,
    kind character varying(200) NOT NULL,
    payload jsonb NOT NULL
);
CREATE SEQUENCE public.nas_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.nas_event_id_seq OWNED BY public.nas_event.id;
CREATE TABLE public.nas_job (
    id bigint NOT NULL,
    kind character varying(200) NOT NULL,
    study character varying(200) NOT NULL,
    state character varying(16) NOT NULL,
    request character varying(16) NOT NULL,
    trials integer,
    epoch bigint NOT NULL,
    owner character varying(200),
    lease_until_s double precision NOT NULL,
    restarts integer NOT NULL,
    exit_code integer,
    created_at double precision NOT NULL,
    started_at double precision,
    ended_at double precision,
    reason character varying(8192),
    log character varying(8192),
    config json NOT NULL,
    CONSTRAINT nas_job_counts CHECK (((trials >= 1) AND (restarts >= 0))),
    CONSTRAINT nas_job_final_has_ended CHECK ((((state)::text = ANY ((ARRAY['COMPLETED'::character varying, 'FAILED'::character varying, 'CANCELLED'::character varying])::text[])) = (ended_at IS NOT NULL))),
    CONSTRAINT nas_job_request CHECK (((request)::text = ANY ((ARRAY['run'::character varying, 'pause'::character varying, 'stop'::character varying])::text[]))),
    CONSTRAINT nas_job_state CHECK (((state)::text = ANY ((ARRAY['QUEUED'::character varying, 'RUNNING'::character varying, 'PAUSED'::character varying, 'COMPLETED'::character varying, 'FAILED'::character varying, 'CANCELLED'::character varying])::text[])))
);
CREATE SEQUENCE public.nas_job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.nas_job_id_seq OWNED BY public.nas_job.id;
CREATE TABLE public.nas_latency (
    id bigint NOT NULL,
    shape_key character varying(512) NOT NULL,
    target character varying(200) NOT NULL,
    workload_sha256 character varying(64) NOT NULL,
    valid boolean NOT NULL,
    quality_flag character varying(200) NOT NULL,
    created_at double precision NOT NULL,
    statistics jsonb NOT NULL,
    device jsonb NOT NULL,
    samples bytea
);
CREATE SEQUENCE public.nas_latency_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.nas_latency_id_seq OWNED BY public.nas_latency.id;
CREATE TABLE public.nas_quality (
    supernet_sha256 character varying(64) NOT NULL,
    key character varying(512) NOT NULL,
    data_sha256 character varying(64) NOT NULL,
    stage integer NOT NULL,
    seconds double precision NOT NULL,
    created_at double precision NOT NULL,
    metrics jsonb NOT NULL,
    per_example bytea
);
CREATE TABLE public.nas_recovery (
    id bigint NOT NULL,
    study_id bigint NOT NULL,
    trial integer NOT NULL,
    kind character varying(16) NOT NULL,
    key character varying(512) NOT NULL,
    recipe_sha256 character varying(64) NOT NULL,
    passes bigint NOT NULL,
    examples bigint NOT NULL,
    seconds double precision NOT NULL,
    created_at double precision NOT NULL,
    weights_file character varying(200) NOT NULL,
    weights_sha256 character varying(64) NOT NULL,
    metrics_before jsonb NOT NULL,
    metrics_after jsonb NOT NULL,
    config json NOT NULL,
    recipe json NOT NULL,
    CONSTRAINT nas_recovery_cost_not_negative CHECK (((passes >= 0) AND (examples >= 0) AND (seconds >= (0)::double precision))),
    CONSTRAINT nas_recovery_kind CHECK (((kind)::text = ANY ((ARRAY['recovered'::character varying, 'random'::character varying, 'scratch'::character varying])::text[])))
);
CREATE SEQUENCE public.nas_recovery_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.nas_recovery_id_seq OWNED BY public.nas_recovery.id;
CREATE TABLE public.nas_sampler_state (
    study_id bigint NOT NULL,
    state json NOT NULL
);
CREATE TABLE public.nas_study (
    id bigint NOT NULL,
    name character varying(200) NOT NULL,
    state character varying(16) NOT NULL,
    seed bigint NOT NULL,
    epoch bigint NOT NULL,
    owner character varying(200),
    lease_until_s double precision NOT NULL,
    next_number integer NOT NULL,
    told_count integer NOT NULL,
    created_at double precision NOT NULL,
    reason character varying(8192),
    spec_sha256 character varying(64) NOT NULL,
    fingerprint json NOT NULL,
    spec json NOT NULL,
    CONSTRAINT nas_study_counters CHECK (((told_count >= 0) AND (told_count <= next_number)))
);
CREATE SEQUENCE public.nas_study_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.nas_study_id_seq OWNED BY public.nas_study.id;
CREATE TABLE public.nas_target (
    name character varying(200) NOT NULL,
    created_at double precision NOT NULL,
    definition json NOT NULL
);
CREATE TABLE public.nas_trial (
    study_id bigint NOT NULL,
    number integer NOT NULL,
    state character varying(16) NOT NULL,
    attempts integer NOT NULL,
    told_order integer,
    reused_from integer,
    created_at double precision NOT NULL,
    ended_at double precision,
    result_sha256 character varying(64),
    origin character varying(200) NOT NULL,
    key character varying(512) NOT NULL,
    metrics jsonb,
    costs jsonb NOT NULL,
    reason character varying(8192),
    message character varying(8192),
    config json NOT NULL,
    parameters json NOT NULL,
    sampler_attributes json NOT NULL,
    CONSTRAINT nas_trial_done_has_result CHECK (((((state)::text = 'DONE'::text) = (result_sha256 IS NOT NULL)) AND (((state)::text <> 'DONE'::text) OR (metrics IS NOT NULL)))),
    CONSTRAINT nas_trial_duplicate_names_its_source CHECK ((((state)::text = 'DUPLICATE'::text) = (reused_from IS NOT NULL))),
    CONSTRAINT nas_trial_final_is_told CHECK (((((state)::text = ANY ((ARRAY['PROPOSED'::character varying, 'RUNNING'::character varying, 'PAUSED'::character varying])::text[])) = (told_order IS NULL)) AND ((told_order IS NULL) = (ended_at IS NULL)))),
    CONSTRAINT nas_trial_paused_has_estimates CHECK ((((state)::text <> 'PAUSED'::text) OR (metrics IS NOT NULL))),
    CONSTRAINT nas_trial_state CHECK (((state)::text = ANY ((ARRAY['PROPOSED'::character varying, 'RUNNING'::character varying, 'PAUSED'::character varying, 'DONE'::character varying, 'FAILED'::character varying, 'INFEASIBLE'::character varying, 'DUPLICATE'::character varying])::text[])))
);
ALTER TABLE ONLY public.nas_event ALTER COLUMN id SET DEFAULT nextval('public.nas_event_id_seq'::regclass);
ALTER TABLE ONLY public.nas_job ALTER COLUMN id SET DEFAULT nextval('public.nas_job_id_seq'::regclass);
ALTER TABLE ONLY public.nas_latency ALTER COLUMN id SET DEFAULT nextval('public.nas_latency_id_seq'::regclass);
ALTER TABLE ONLY public.nas_recovery ALTER COLUMN id SET DEFAULT nextval('public.nas_recovery_id_seq'::regclass);
ALTER TABLE ONLY public.nas_study ALTER COLUMN id SET DEFAULT nextval('public.nas_study_id_seq'::regclass);
INSERT INTO public.nas_alembic_version VALUES
	('0004');
INSERT INTO public.nas_attempt VALUES
	(1, 0, 1, 'node-1', 1795371166.714696, 1795371166.717797, 'completed', 2.5),
	(1, 1, 1, 'node-1', 1795371166.720343, 1795371166.721683, 'worker_lost', NULL),
	(1, 1, 2, 'node-2', 1795371166.72356, 1795371166.724946, 'completed', 1.5),
	(1, 3, 1, 'node-1', 1795371166.729655, 1795371166.730997, 'failed', NULL),
	(1, 4, 1, 'node-1', 1795371166.732608, NULL, NULL, NULL),
	(1, 7, 1, 'node-1', 1795371166.733709, 1795371166.735011, 'paused', NULL),
	(1, 6, 1, 'node-1', 1795371166.736674, NULL, NULL, NULL);
INSERT INTO public.nas_event VALUES
	(1, 1, 1795371166.695518, 'study_created', '{"name": "rte", "seed": 4611686018427387904}'),
	(2, NULL, 1795371166.698297, 'job_created', '{"job": 1, "kind": "search", "study": "rte", "trials": 10}'),
	(3, NULL, 1795371166.70299, 'job_claimed', '{"job": 1, "epoch": 1, "owner": "host/7"}'),
	(4, NULL, 1795371166.705105, 'job_state_changed', '{"job": 1, "epoch": 1, "state": "RUNNING", "reason": null, "restarts": 0, "exit_code": null}'),
	(5, NULL, 1795371166.706881, 'job_edited', '{"job": 1, "trials": 12}'),
	(6, 1, 1795371166.708756, 'lease_acquired', '{"epoch": 1, "owner": "host/1"}'),
	(7, 1, 1795371166.712786, 'trials_proposed', '{"epoch": 1, "final": [[2, "INFEASIBLE"]], "numbers": [0, 1, 2], "waiting": []}'),
	(8, 1, 1795371166.716602, 'trial_dispatched', '{"epoch": 1, "number": 0, "worker": "node-1", "attempt": 1}'),
	(9, 1, 1795371166.719668, 'trial_completed', '{"number": 0, "worker": "node-1", "metrics": {"accuracy": 0.875, "latency_ms": 12.5}, "seconds": 2.5}'),
	(10, 1, 1795371166.721101, 'trial_dispatched', '{"epoch": 1, "number": 1, "worker": "node-1", "attempt": 1}'),
	(11, 1, 1795371166.722896, 'trials_requeued', '{"epoch": 1, "numbers": [1], "outcome": "worker_lost"}'),
	(12, 1, 1795371166.724345, 'trial_dispatched', '{"epoch": 1, "number": 1, "worker": "node-2", "attempt": 2}'),
	(13, 1, 1795371166.725572, 'trial_completed', '{"number": 1, "worker": "node-2", "metrics": {"accuracy": 0.75, "latency_ms": 0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005}, "seconds": 1.5}'),
	(14, 1, 1795371166.727066, 'trial_conflict', '{"state": "DONE", "number": 1, "offered": {"accuracy": 0.5}}'),
	(15, 1, 1795371166.729015, 'trials_proposed', '{"epoch": 1, "final": [[5, "DUPLICATE"]], "numbers": [3, 4, 5, 6, 7, 8], "waiting": []}'),
	(16, 1, 1795371166.730342, 'trial_dispatched', '{"epoch": 1, "number": 3, "worker": "node-1", "attempt": 1}'),
	(17, 1, 1795371166.732081, 'trial_failed', '{"epoch": 1, "number": 3, "reason": "oom", "message": "CUDA out of memory: ''x''; \"y\" %s %(a)s :b \\ \n日本"}'),
	(18, 1, 1795371166.733223, 'trial_dispatched', '{"epoch": 1, "number": 4, "worker": "node-1", "attempt": 1}'),
	(19, 1, 1795371166.734469, 'trial_dispatched', '{"epoch": 1, "number": 7, "worker": "node-1", "attempt": 1}'),
	(20, 1, 1795371166.73617, 'trial_paused', '{"epoch": 1, "number": 7, "reason": "dominated by trial 1", "metrics": {"accuracy": 0.25, "evaluated_examples": 64.0}}'),
	(21, 1, 1795371166.737224, 'trial_dispatched', '{"epoch": 1, "number": 6, "worker": "node-1", "attempt": 1}'),
	(22, 1, 1795371166.753249, 'subnet_recovered', '{"key": "a", "kind": "recovered", "trial": 1, "passes": 1099511627776}'),
	(23, 1, 1795371166.754864, 'note', '{"a": "O''Brien %", "b": 1}'),
	(24, 2, 1795371166.757257, 'study_created', '{"name": "sst", "seed": 0}'),
	(25, NULL, 1795371166.758615, 'job_created', '{"job": 2, "kind": "search", "study": "sst", "trials": 1}'),
	(26, NULL, 1795371166.761247, 'job_claimed', '{"job": 2, "epoch": 1, "owner": "host/8"}'),
	(27, NULL, 1795371166.762909, 'job_state_changed', '{"job": 2, "epoch": 1, "state": "RUNNING", "reason": null, "restarts": 0, "exit_code": null}'),
	(28, 2, 1795371166.764196, 'lease_acquired', '{"epoch": 1, "owner": "host/2"}'),
	(29, 2, 1795371166.765973, 'trials_proposed', '{"epoch": 1, "final": [], "numbers": [0]}'),
	(30, 2, 1795371166.767797, 'trial_completed', '{"number": 0, "worker": null, "metrics": {"accuracy": 1.0}, "seconds": null}'),
	(31, 2, 1795371166.76964, 'state_changed', '{"state": "COMPLETED", "reason": "all evaluated"}'),
	(32, 2, 1795371166.771147, 'lease_released', '{"epoch": 1, "owner": "host/2"}'),
	(33, NULL, 1795371166.773266, 'job_state_changed', '{"job": 2, "epoch": 1, "state": "COMPLETED", "reason": null, "restarts": 0, "exit_code": 0}'),
	(34, NULL, 1795371166.77482, 'job_released', '{"job": 2, "epoch": 1, "owner": "host/8"}'),
	(36, NULL, 1795371166.777995, 'job_created', '{"job": 3, "kind": "search", "study": "gone", "trials": null}'),
	(37, NULL, 1795371166.780458, 'job_requested', '{"job": 3, "request": "stop"}'),
	(38, NULL, 1795371166.782032, 'job_claimed', '{"job": 3, "epoch": 1, "owner": "host/9"}'),
	(39, NULL, 1795371166.783427, 'job_state_changed', '{"job": 3, "epoch": 1, "state": "CANCELLED", "reason": "asked: ''x'' %s", "restarts": 0, "exit_code": null}'),
	(40, NULL, 1795371166.784321, 'job_released', '{"job": 3, "epoch": 1, "owner": "host/9"}'),
	(41, NULL, 1795371166.786232, 'study_deleted', '{"name": "gone"}'),
	(42, NULL, 1795371166.78736, 'job_created', '{"job": 4, "kind": "search", "study": "later", "trials": null}'),
	(43, NULL, 1795371166.789955, 'target_stored', '{"target": "cpu", "definition": {"labels": {"a": 10000000000000000000000, "z": "é"}, "threads": 1}}'),
	(44, NULL, 1795371166.79183, 'target_stored', '{"target": "edge", "definition": {"threads": 2}}'),
	(45, NULL, 1795371166.793161, 'target_stored', '{"target": "old", "definition": {}}'),
	(46, NULL, 1795371166.794355, 'target_deleted', '{"target": "old"}'),
	(47, NULL, 1795371166.795943, 'job_state_changed', '{"job": 1, "epoch": 1, "state": "RUNNING", "reason": "driver died: \"-9\"", "restarts": 1, "exit_code": -9}');
INSERT INTO public.nas_job VALUES
	(2, 'search', 'sst', 'COMPLETED', 'run', 1, 1, NULL, 0, 0, 0, 1795371166.758288, 1795371166.762684, 1795371166.773036, NULL, 'jobs/2.log', '{}'),
	(3, 'search', 'gone', 'CANCELLED', 'stop', NULL, 1, NULL, 0, 0, NULL, 1795371166.777743, NULL, 1795371166.783241, 'asked: ''x'' %s', NULL, '{}'),
	(4, 'search', 'later', 'QUEUED', 'run', NULL, 0, NULL, 0, 0, NULL, 1795371166.78714, NULL, NULL, NULL, NULL, '{"a":1e+22}'),
	(1, 'search', 'rte', 'RUNNING', 'run', 12, 1, 'host/7', 1795371167.702702, 1, -9, 1795371166.69769, 1795371166.704855, NULL, 'driver died: "-9"', 'jobs/1.log', '{"name":"rte","search":{"trials":10,"rate":1e+22},"note":"Größe ☃"}');
INSERT INTO public.nas_latency VALUES
	(1, 's', 'cpu', 'abababababababababababababababababababababababababababababababab', true, 'ok', 1795371166.743161, '{"median_ms": 2.0, "reference_ms": 10000000000000000000000}', '{"cpu": "x", "threads": 1}', '\x00ff27'),
	(2, 's', 'cpu', 'abababababababababababababababababababababababababababababababab', false, 'contended', 1795371166.74496, '{"median_ms": 9.0}', '{}', NULL);
INSERT INTO public.nas_quality VALUES
	('abababababababababababababababababababababababababababababababab', 'a', 'abababababababababababababababababababababababababababababababab', 64, 1.5, 1795371166.739025, '{"accuracy": 0.75}', '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'),
	('abababababababababababababababababababababababababababababababab', 'a', 'abababababababababababababababababababababababababababababababab', 128, 1.5, 1795371166.739934, '{"accuracy": 0.5}', NULL);
INSERT INTO public.nas_recovery VALUES
	(1, 1, 1, 'recovered', 'a', 'abababababababababababababababababababababababababababababababab', 1099511627776, 320, 3.5, 1795371166.752384, '1.safetensors', 'abababababababababababababababababababababababababababababababab', '{}', '{"accuracy": 0.9}', '{"l":4}', '{"steps":10}');
INSERT INTO public.nas_sampler_state VALUES
	(1, '{"sampler":{"nsga2:population:1":[1,3]}}');
INSERT INTO public.nas_study VALUES
	(1, 'rte', 'QUEUED', 4611686018427387904, 1, 'host/1', 1795371167.708425, 9, 5, 1795371166.692149, NULL, '525ddc107c128a38fcc763b2244409f9e563e50fde6bc38fb1efa5fc0b29d31d', '{"model":"abc"}', '{"z":1,"a":1e+22,"space":{"dimensions":{"layers":[2,4]}}}'),
	(2, 'sst', 'COMPLETED', 0, 1, NULL, 0, 1, 1, 1795371166.756209, 'all evaluated', '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', '{}', '{}');
INSERT INTO public.nas_target VALUES
	('cpu', 1795371166.789676, '{"threads":1,"labels":{"z":"é","a":1e+22}}'),
	('edge', 1795371166.791672, '{"threads":2}');
INSERT INTO public.nas_trial VALUES
	(1, 2, 'INFEASIBLE', 0, 0, NULL, 1795371166.71042, 1795371166.71042, NULL, 'sampler', 'big', NULL, '{"macs": 10000000000000000000000, "num_parameters": 1000.0}', 'breaks macs <= 1', NULL, '{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}', '{"layers":4,"dropout":0.1,"kind":"plain"}', '{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}'),
	(1, 0, 'DONE', 1, 1, NULL, 1795371166.71042, 1795371166.717797, '0bc5992ca08d598967119144ef1d6b0b3e2e23b5c3addde10e94ae8b3beff538', 'baseline:full', 'full', '{"accuracy": 0.875, "latency_ms": 12.5}', '{"macs": 10000000000000000000000, "num_parameters": 1000.0}', NULL, NULL, '{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}', '{}', '{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}'),
	(1, 1, 'DONE', 2, 2, NULL, 1795371166.71042, 1795371166.724946, '621891dd3ac2dfc255f49a87b881ee802e629933c85e8b349eadaf39b8add0fa', 'sampler', 'a', '{"accuracy": 0.75, "latency_ms": 0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005}', '{"macs": 10000000000000000000000, "num_parameters": 1000.0}', NULL, NULL, '{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}', '{"layers":4,"dropout":0.1,"kind":"plain"}', '{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}'),
	(1, 5, 'DUPLICATE', 0, 3, 1, 1795371166.727841, 1795371166.727841, NULL, 'sampler', 'a', '{"accuracy": 0.75, "latency_ms": 0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005}', '{"macs": 10000000000000000000000, "num_parameters": 1000.0}', NULL, NULL, '{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}', '{"layers":4,"dropout":0.1,"kind":"plain"}', '{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}'),
	(1, 8, 'PROPOSED', 0, NULL, NULL, 1795371166.727841, NULL, NULL, 'sampler', 'f', NULL, '{"macs": 10000000000000000000000, "num_parameters": 1000.0}', NULL, NULL, '{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}', '{"layers":4,"dropout":0.1,"kind":"plain"}', '{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}'),
	(1, 3, 'FAILED', 1, 4, NULL, 1795371166.727841, 1795371166.730997, NULL, 'sampler', 'b', NULL, '{"macs": 10000000000000000000000, "num_parameters": 1000.0}', 'oom', 'CUDA out of memory: ''x''; "y" %s %(a)s :b \ 
日本', '{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}', '{"layers":4,"dropout":0.1,"kind":"plain"}', '{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}'),
	(1, 4, 'RUNNING', 1, NULL, NULL, 1795371166.727841, NULL, NULL, 'sampler', 'c', NULL, '{"macs": 10000000000000000000000, "num_parameters": 1000.0}', NULL, NULL, '{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}', '{"layers":4,"dropout":0.1,"kind":"plain"}', '{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}'),
	(1, 7, 'PAUSED', 1, NULL, NULL, 1795371166.727841, NULL, NULL, 'sampler', 'e', '{"accuracy": 0.25, "evaluated_examples": 64.0}', '{"macs": 10000000000000000000000, "num_parameters": 1000.0}', 'dominated by trial 1', NULL, '{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}', '{"layers":4,"dropout":0.1,"kind":"plain"}', '{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}'),
	(1, 6, 'RUNNING', 1, NULL, NULL, 1795371166.727841, NULL, NULL, 'sampler', 'd', NULL, '{"macs": 10000000000000000000000, "num_parameters": 1000.0}', NULL, NULL, '{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}', '{"layers":4,"dropout":0.1,"kind":"plain"}', '{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}'),
	(2, 0, 'DONE', 0, 0, NULL, 1795371166.764911, 1795371166.766691, 'd6bc1fa293ffffece82fca01deeb03464d83def27c18ba325b0f009733939bbc', 'sampler', 'a', '{"accuracy": 1.0}', '{"macs": 10000000000000000000000, "num_parameters": 1000.0}', NULL, NULL, '{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}', '{"layers":4,"dropout":0.1,"kind":"plain"}', '{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}');
SELECT pg_catalog.setval('public.nas_event_id_seq', 47, true);
SELECT pg_catalog.setval('public.nas_job_id_seq', 4, true);
SELECT pg_catalog.setval('public.nas_latency_id_seq', 2, true);
SELECT pg_catalog.setval('public.nas_recovery_id_seq', 1, true);
SELECT pg_catalog.setval('public.nas_study_id_seq', 3, true);
ALTER TABLE ONLY public.nas_alembic_version
    ADD CONSTRAINT nas_alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.nas_attempt
    ADD CONSTRAINT nas_attempt_pkey PRIMARY KEY (study_id, number, attempt);
ALTER TABLE ONLY public.nas_event
    ADD CONSTRAINT nas_event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.nas_job
    ADD CONSTRAINT nas_job_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.nas_latency
    ADD CONSTRAINT nas_latency_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.nas_quality
    ADD CONSTRAINT nas_quality_pkey PRIMARY KEY (supernet_sha256, key, data_sha256, stage);
ALTER TABLE ONLY public.nas_recovery
    ADD CONSTRAINT nas_recovery_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.nas_recovery
    ADD CONSTRAINT nas_recovery_recipe UNIQUE (study_id, kind, key, recipe_sha256);
ALTER TABLE ONLY public.nas_sampler_state
    ADD CONSTRAINT nas_sampler_state_pkey PRIMARY KEY (study_id);
ALTER TABLE ONLY public.nas_study
    ADD CONSTRAINT nas_study_name UNIQUE (name);
ALTER TABLE ONLY public.nas_study
    ADD CONSTRAINT nas_study_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.nas_target
    ADD CONSTRAINT nas_target_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.nas_trial
    ADD CONSTRAINT nas_trial_pkey PRIMARY KEY (study_id, number);
ALTER TABLE ONLY public.nas_trial
    ADD CONSTRAINT nas_trial_told_order UNIQUE (study_id, told_order);
CREATE INDEX nas_event_study ON public.nas_event USING btree (study_id, id);
CREATE INDEX nas_job_study ON public.nas_job USING btree (study, id);
CREATE INDEX nas_latency_measured ON public.nas_latency USING btree (target, workload_sha256, shape_key);
CREATE UNIQUE INDEX nas_trial_key ON public.nas_trial USING btree (study_id, key) WHERE ((state)::text <> 'DUPLICATE'::text);
ALTER TABLE ONLY public.nas_attempt
    ADD CONSTRAINT nas_attempt_trial FOREIGN KEY (study_id, number) REFERENCES public.nas_trial(study_id, number) ON DELETE CASCADE;
ALTER TABLE ONLY public.nas_event
    ADD CONSTRAINT nas_event_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.nas_study(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.nas_recovery
    ADD CONSTRAINT nas_recovery_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.nas_study(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.nas_recovery
    ADD CONSTRAINT nas_recovery_trial FOREIGN KEY (study_id, trial) REFERENCES public.nas_trial(study_id, number) ON DELETE CASCADE;
ALTER TABLE ONLY public.nas_sampler_state
    ADD CONSTRAINT nas_sampler_state_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.nas_study(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.nas_trial
    ADD CONSTRAINT nas_trial_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.nas_study(id) ON DELETE CASCADE;

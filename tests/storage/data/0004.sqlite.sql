BEGIN TRANSACTION;
CREATE TABLE nas_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT nas_alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "nas_alembic_version" VALUES('0004');
CREATE TABLE nas_attempt (
	study_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	worker VARCHAR(200), 
	started_at DOUBLE NOT NULL, 
	ended_at DOUBLE, 
	outcome VARCHAR(8192), 
	seconds DOUBLE, 
	PRIMARY KEY (study_id, number, attempt), 
	CONSTRAINT nas_attempt_trial FOREIGN KEY(study_id, number) REFERENCES nas_trial (study_id, number) ON DELETE CASCADE, 
	CONSTRAINT nas_attempt_ended_has_outcome CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
INSERT INTO "nas_attempt" VALUES(1,0,1,'node-1',1795371165.96901,1.79537116597001600261e+09,'completed',2.5);
INSERT INTO "nas_attempt" VALUES(1,1,1,'node-1',1.79537116597198700908e+09,1.79537116597198700908e+09,'worker_lost',NULL);
INSERT INTO "nas_attempt" VALUES(1,1,2,'node-2',1.79537116597299289703e+09,1.79537116597399902346e+09,'completed',1.5);
INSERT INTO "nas_attempt" VALUES(1,3,1,'node-1',1795371165.97601,1795371165.97601,'failed',NULL);
INSERT INTO "nas_attempt" VALUES(1,4,1,'node-1',1.79537116597701597213e+09,NULL,NULL,NULL);
INSERT INTO "nas_attempt" VALUES(1,7,1,'node-1',1.79537116597798204415e+09,1.79537116597798204415e+09,'paused',NULL);
INSERT INTO "nas_attempt" VALUES(1,6,1,'node-1',1.79537116597898697848e+09,NULL,NULL,NULL);
CREATE TABLE nas_event (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	study_id INTEGER, 
	at DOUBLE NOT NULL, 
	kind VARCHAR(200) NOT NULL, 
	payload JSON NOT NULL, 
	FOREIGN KEY(study_id) REFERENCES nas_study (id) ON DELETE CASCADE
);
INSERT INTO "nas_event" VALUES(1,1,1795371165.95698,'study_created','{"name":"rte","seed":4611686018427387904}');
INSERT INTO "nas_event" VALUES(2,NULL,1.79537116595899152752e+09,'job_created','{"job":1,"kind":"search","study":"rte","trials":10}');
INSERT INTO "nas_event" VALUES(3,NULL,1.79537116596100330351e+09,'job_claimed','{"job":1,"owner":"host/7","epoch":1}');
INSERT INTO "nas_event" VALUES(4,NULL,1.79537116596301507954e+09,'job_state_changed','{"job":1,"state":"RUNNING","reason":null,"exit_code":null,"restarts":0,"epoch":1}');
INSERT INTO "nas_event" VALUES(5,NULL,1.79537116596398067477e+09,'job_edited','{"job":1,"trials":12}');
INSERT INTO "nas_event" VALUES(6,1,1.79537116596498632433e+09,'lease_acquired','{"owner":"host/1","epoch":1}');
INSERT INTO "nas_event" VALUES(7,1,1.79537116596699810027e+09,'trials_proposed','{"epoch":1,"numbers":[0,1,2],"final":[[2,"INFEASIBLE"]],"waiting":[]}');
INSERT INTO "nas_event" VALUES(8,1,1.79537116596900963782e+09,'trial_dispatched','{"number":0,"attempt":1,"worker":"node-1","epoch":1}');
INSERT INTO "nas_event" VALUES(9,1,1.79537116597098112113e+09,'trial_completed','{"number":0,"metrics":{"accuracy":0.875,"latency_ms":12.5},"worker":"node-1","seconds":2.5}');
INSERT INTO "nas_event" VALUES(10,1,1.79537116597198700908e+09,'trial_dispatched','{"number":1,"attempt":1,"worker":"node-1","epoch":1}');
INSERT INTO "nas_event" VALUES(11,1,1.79537116597299289703e+09,'trials_requeued','{"numbers":[1],"outcome":"worker_lost","epoch":1}');
INSERT INTO "nas_event" VALUES(12,1,1.79537116597299289703e+09,'trial_dispatched','{"number":1,"attempt":2,"worker":"node-2","epoch":1}');
INSERT INTO "nas_event" VALUES(13,1,1.79537116597399854659e+09,'trial_completed','{"number":1,"metrics":{"accuracy":0.75,"latency_ms":5e-324},"worker":"node-2","seconds":1.5}');
INSERT INTO "nas_event" VALUES(14,1,1.79537116597500443458e+09,'trial_conflict','{"number":1,"state":"DONE","offered":{"accuracy":0.5}}');
INSERT INTO "nas_event" VALUES(15,1,1.79537116597601032258e+09,'trials_proposed','{"epoch":1,"numbers":[3,4,5,6,7,8],"final":[[5,"DUPLICATE"]],"waiting":[]}');
INSERT INTO "nas_event" VALUES(16,1,1.79537116597601032258e+09,'trial_dispatched','{"number":3,"attempt":1,"worker":"node-1","epoch":1}');
INSERT INTO "nas_event" VALUES(17,1,1.79537116597701597213e+09,'trial_failed','{"number":3,"reason":"oom","message":"CUDA out of memory: ''x''; \"y\" %s %(a)s :b \\ \n日本","epoch":1}');
INSERT INTO "nas_event" VALUES(18,1,1.79537116597701597213e+09,'trial_dispatched','{"number":4,"attempt":1,"worker":"node-1","epoch":1}');
INSERT INTO "nas_event" VALUES(19,1,1.79537116597798156736e+09,'trial_dispatched','{"number":7,"attempt":1,"worker":"node-1","epoch":1}');
INSERT INTO "nas_event" VALUES(20,1,1.79537116597898745531e+09,'trial_paused','{"number":7,"metrics":{"accuracy":0.25,"evaluated_examples":64.0},"reason":"dominated by trial 1","epoch":1}');
INSERT INTO "nas_event" VALUES(21,1,1.79537116597999334339e+09,'trial_dispatched','{"number":6,"attempt":1,"worker":"node-1","epoch":1}');
INSERT INTO "nas_event" VALUES(22,1,1.7953711659879996777e+09,'subnet_recovered','{"kind":"recovered","trial":1,"key":"a","passes":1099511627776}');
INSERT INTO "nas_event" VALUES(23,1,1.79537116599001145365e+09,'note','{"b":1,"a":"O''Brien %"}');
INSERT INTO "nas_event" VALUES(24,2,1.79537116599101734164e+09,'study_created','{"name":"sst","seed":0}');
INSERT INTO "nas_event" VALUES(25,NULL,1.79537116599101734164e+09,'job_created','{"job":2,"kind":"search","study":"sst","trials":1}');
INSERT INTO "nas_event" VALUES(26,NULL,1.79537116599198293687e+09,'job_claimed','{"job":2,"owner":"host/8","epoch":1}');
INSERT INTO "nas_event" VALUES(27,NULL,1.79537116599298858642e+09,'job_state_changed','{"job":2,"state":"RUNNING","reason":null,"exit_code":null,"restarts":0,"epoch":1}');
INSERT INTO "nas_event" VALUES(28,2,1.79537116599399447437e+09,'lease_acquired','{"owner":"host/2","epoch":1}');
INSERT INTO "nas_event" VALUES(29,2,1.79537116599500036233e+09,'trials_proposed','{"epoch":1,"numbers":[0],"final":[]}');
INSERT INTO "nas_event" VALUES(30,2,1.79537116599600601201e+09,'trial_completed','{"number":0,"metrics":{"accuracy":1.0},"worker":null,"seconds":null}');
INSERT INTO "nas_event" VALUES(31,2,1.79537116599701189996e+09,'state_changed','{"state":"COMPLETED","reason":"all evaluated"}');
INSERT INTO "nas_event" VALUES(32,2,1.79537116599801778796e+09,'lease_released','{"owner":"host/2","epoch":1}');
INSERT INTO "nas_event" VALUES(33,NULL,1.79537116599898338318e+09,'job_state_changed','{"job":2,"state":"COMPLETED","reason":null,"exit_code":0,"restarts":0,"epoch":1}');
INSERT INTO "nas_event" VALUES(34,NULL,1.79537116599998927118e+09,'job_released','{"job":2,"owner":"host/8","epoch":1}');
INSERT INTO "nas_event" VALUES(36,NULL,1.79537116600099515913e+09,'job_created','{"job":3,"kind":"search","study":"gone","trials":null}');
INSERT INTO "nas_event" VALUES(37,NULL,1.79537116600200080869e+09,'job_requested','{"job":3,"request":"stop"}');
INSERT INTO "nas_event" VALUES(38,NULL,1.79537116600300669664e+09,'job_claimed','{"job":3,"owner":"host/9","epoch":1}');
INSERT INTO "nas_event" VALUES(39,NULL,1.79537116600401258463e+09,'job_state_changed','{"job":3,"state":"CANCELLED","reason":"asked: ''x'' %s","exit_code":null,"restarts":0,"epoch":1}');
INSERT INTO "nas_event" VALUES(40,NULL,1.79537116600501823427e+09,'job_released','{"job":3,"owner":"host/9","epoch":1}');
INSERT INTO "nas_event" VALUES(41,NULL,1.7953711660059838295e+09,'study_deleted','{"name":"gone"}');
INSERT INTO "nas_event" VALUES(42,NULL,1.79537116600698971749e+09,'job_created','{"job":4,"kind":"search","study":"later","trials":null}');
INSERT INTO "nas_event" VALUES(43,NULL,1.79537116600799560549e+09,'target_stored','{"target":"cpu","definition":{"threads":1,"labels":{"z":"é","a":1e+22}}}');
INSERT INTO "nas_event" VALUES(44,NULL,1.79537116600900149344e+09,'target_stored','{"target":"edge","definition":{"threads":2}}');
INSERT INTO "nas_event" VALUES(45,NULL,1.79537116601000738139e+09,'target_stored','{"target":"old","definition":{}}');
INSERT INTO "nas_event" VALUES(46,NULL,1.79537116601000738139e+09,'target_deleted','{"target":"old"}');
INSERT INTO "nas_event" VALUES(47,NULL,1.79537116601101303095e+09,'job_state_changed','{"job":1,"state":"RUNNING","reason":"driver died: \"-9\"","exit_code":-9,"restarts":1,"epoch":1}');
CREATE TABLE nas_job (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind VARCHAR(200) NOT NULL, 
	study VARCHAR(200) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	request VARCHAR(16) NOT NULL, 
	trials INTEGER, 
	epoch INTEGER NOT NULL, 
	owner VARCHAR(200), 
	lease_until_s DOUBLE NOT NULL, 
	restarts INTEGER NOT NULL, 
	exit_code INTEGER, 
	created_at DOUBLE NOT NULL, 
	started_at DOUBLE, 
	ended_at DOUBLE, 
	reason VARCHAR(8192), 
	log VARCHAR(8192), 
	config JSON NOT NULL, 
	CONSTRAINT nas_job_state CHECK (state IN ('QUEUED', 'RUNNING', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED')), 
	CONSTRAINT nas_job_request CHECK (request IN ('run', 'pause', 'stop')), 
	CONSTRAINT nas_job_final_has_ended CHECK ((state IN ('COMPLETED', 'FAILED', 'CANCELLED')) = (ended_at IS NOT NULL)), 
	CONSTRAINT nas_job_counts CHECK (trials >= 1 AND restarts >= 0)
);
INSERT INTO "nas_job" VALUES(1,'search','rte','RUNNING','run',12,1,'host/7',1.79537116696100330351e+09,1,-9,1.79537116595899152752e+09,1.79537116596301507954e+09,NULL,'driver died: "-9"','jobs/1.log','{"name":"rte","search":{"trials":10,"rate":1e+22},"note":"Größe ☃"}');
INSERT INTO "nas_job" VALUES(2,'search','sst','COMPLETED','run',1,1,NULL,0.0,0,0,1.79537116599101734164e+09,1.79537116599298858642e+09,1.79537116599898338318e+09,NULL,'jobs/2.log','{}');
INSERT INTO "nas_job" VALUES(3,'search','gone','CANCELLED','stop',NULL,1,NULL,0.0,0,NULL,1.79537116600099515913e+09,NULL,1.79537116600401258463e+09,'asked: ''x'' %s',NULL,'{}');
INSERT INTO "nas_job" VALUES(4,'search','later','QUEUED','run',NULL,0,NULL,0.0,0,NULL,1.79537116600698971749e+09,NULL,NULL,NULL,NULL,'{"a":1e+22}');
CREATE TABLE nas_latency (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	shape_key VARCHAR(512) NOT NULL, 
	target VARCHAR(200) NOT NULL, 
	workload_sha256 VARCHAR(64) NOT NULL, 
	valid BOOLEAN NOT NULL, 
	quality_flag VARCHAR(200) NOT NULL, 
	created_at DOUBLE NOT NULL, 
	statistics JSON NOT NULL, 
	device JSON NOT NULL, 
	samples BLOB, 
	CONSTRAINT nas_latency_statistics_finite CHECK (statistics IS NULL OR json_valid(statistics))
);
INSERT INTO "nas_latency" VALUES(1,'s','cpu','abababababababababababababababababababababababababababababababab',1,'ok',1.79537116598301076889e+09,'{"median_ms":2.0,"reference_ms":1e+22}','{"cpu":"x","threads":1}',X'00FF27');
INSERT INTO "nas_latency" VALUES(2,'s','cpu','abababababababababababababababababababababababababababababababab',0,'contended',1.79537116598401665689e+09,'{"median_ms":9.0}','{}',NULL);
CREATE TABLE nas_quality (
	supernet_sha256 VARCHAR(64) NOT NULL, 
	"key" VARCHAR(512) NOT NULL, 
	data_sha256 VARCHAR(64) NOT NULL, 
	stage INTEGER NOT NULL, 
	seconds DOUBLE NOT NULL, 
	created_at DOUBLE NOT NULL, 
	metrics JSON NOT NULL, 
	per_example BLOB, 
	PRIMARY KEY (supernet_sha256, "key", data_sha256, stage), 
	CONSTRAINT nas_quality_metrics_finite CHECK (metrics IS NULL OR json_valid(metrics))
);
INSERT INTO "nas_quality" VALUES('abababababababababababababababababababababababababababababababab','a','abababababababababababababababababababababababababababababababab',64,1.5,1.79537116598099923134e+09,'{"accuracy":0.75}',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF');
INSERT INTO "nas_quality" VALUES('abababababababababababababababababababababababababababababababab','a','abababababababababababababababababababababababababababababababab',128,1.5,1.79537116598099923134e+09,'{"accuracy":0.5}',NULL);
CREATE TABLE nas_recovery (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	study_id INTEGER NOT NULL, 
	trial INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	"key" VARCHAR(512) NOT NULL, 
	recipe_sha256 VARCHAR(64) NOT NULL, 
	passes INTEGER NOT NULL, 
	examples INTEGER NOT NULL, 
	seconds DOUBLE NOT NULL, 
	created_at DOUBLE NOT NULL, 
	weights_file VARCHAR(200) NOT NULL, 
	weights_sha256 VARCHAR(64) NOT NULL, 
	metrics_before JSON NOT NULL, 
	metrics_after JSON NOT NULL, 
	config JSON NOT NULL, 
	recipe JSON NOT NULL, 
	CONSTRAINT nas_recovery_recipe UNIQUE (study_id, kind, "key", recipe_sha256), 
	CONSTRAINT nas_recovery_trial FOREIGN KEY(study_id, trial) REFERENCES nas_trial (study_id, number) ON DELETE CASCADE, 
	CONSTRAINT nas_recovery_kind CHECK (kind IN ('recovered', 'random', 'scratch')), 
	CONSTRAINT nas_recovery_cost_not_negative CHECK (passes >= 0 AND examples >= 0 AND seconds >= 0), 
	CONSTRAINT nas_recovery_before_finite CHECK (metrics_before IS NULL OR json_valid(metrics_before)), 
	CONSTRAINT nas_recovery_after_finite CHECK (metrics_after IS NULL OR json_valid(metrics_after)), 
	FOREIGN KEY(study_id) REFERENCES nas_study (id) ON DELETE CASCADE
);
INSERT INTO "nas_recovery" VALUES(1,1,1,'recovered','a','abababababababababababababababababababababababababababababababab',1099511627776,320,3.5,1.7953711659879996777e+09,'1.safetensors','abababababababababababababababababababababababababababababababab','{}','{"accuracy":0.9}','{"l":4}','{"steps":10}');
CREATE TABLE nas_sampler_state (
	study_id INTEGER NOT NULL, 
	state JSON NOT NULL, 
	PRIMARY KEY (study_id), 
	FOREIGN KEY(study_id) REFERENCES nas_study (id) ON DELETE CASCADE
);
INSERT INTO "nas_sampler_state" VALUES(1,'{"sampler":{"nsga2:population:1":[1,3]}}');
CREATE TABLE nas_study (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(200) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	seed INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	owner VARCHAR(200), 
	lease_until_s DOUBLE NOT NULL, 
	next_number INTEGER NOT NULL, 
	told_count INTEGER NOT NULL, 
	created_at DOUBLE NOT NULL, 
	reason VARCHAR(8192), 
	spec_sha256 VARCHAR(64) NOT NULL, 
	fingerprint JSON NOT NULL, 
	spec JSON NOT NULL, 
	CONSTRAINT nas_study_name UNIQUE (name), 
	CONSTRAINT nas_study_counters CHECK (told_count BETWEEN 0 AND next_number)
);
INSERT INTO "nas_study" VALUES(1,'rte','QUEUED',4611686018427387904,1,'host/1',1.79537116696498632436e+09,9,5,1.79537116595601439479e+09,NULL,'525ddc107c128a38fcc763b2244409f9e563e50fde6bc38fb1efa5fc0b29d31d','{"model":"abc"}','{"z":1,"a":1e+22,"space":{"dimensions":{"layers":[2,4]}}}');
INSERT INTO "nas_study" VALUES(2,'sst','COMPLETED',0,1,NULL,0.0,1,1,1.79537116599001145365e+09,'all evaluated','44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a','{}','{}');
CREATE TABLE nas_target (
	name VARCHAR(200) NOT NULL, 
	created_at DOUBLE NOT NULL, 
	definition JSON NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "nas_target" VALUES('cpu',1.79537116600799560549e+09,'{"threads":1,"labels":{"z":"é","a":1e+22}}');
INSERT INTO "nas_target" VALUES('edge',1.79537116600900149344e+09,'{"threads":2}');
CREATE TABLE "nas_trial" (
	study_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	told_order INTEGER, 
	reused_from INTEGER, 
	created_at DOUBLE NOT NULL, 
	ended_at DOUBLE, 
	result_sha256 VARCHAR(64), 
	origin VARCHAR(200) NOT NULL, 
	"key" VARCHAR(512) NOT NULL, 
	metrics JSON, 
	costs JSON NOT NULL, 
	reason VARCHAR(8192), 
	message VARCHAR(8192), 
	config JSON NOT NULL, 
	parameters JSON NOT NULL, 
	sampler_attributes JSON NOT NULL, 
	PRIMARY KEY (study_id, number), 
	CONSTRAINT nas_trial_told_order UNIQUE (study_id, told_order), 
	CONSTRAINT nas_trial_state CHECK (state IN ('PROPOSED', 'RUNNING', 'PAUSED', 'DONE', 'FAILED', 'INFEASIBLE', 'DUPLICATE')), 
	CONSTRAINT nas_trial_final_is_told CHECK ((state IN ('PROPOSED', 'RUNNING', 'PAUSED')) = (told_order IS NULL) AND (told_order IS NULL) = (ended_at IS NULL)), 
	CONSTRAINT nas_trial_done_has_result CHECK ((state = 'DONE') = (result_sha256 IS NOT NULL) AND (state <> 'DONE' OR metrics IS NOT NULL)), 
	CONSTRAINT nas_trial_paused_has_estimates CHECK (state <> 'PAUSED' OR metrics IS NOT NULL), 
	CONSTRAINT nas_trial_duplicate_names_its_source CHECK ((state = 'DUPLICATE') = (reused_from IS NOT NULL)), 
	CONSTRAINT nas_trial_metrics_finite CHECK (metrics IS NULL OR json_valid(metrics)), 
	CONSTRAINT nas_trial_costs_finite CHECK (costs IS NULL OR json_valid(costs)), 
	FOREIGN KEY(study_id) REFERENCES nas_study (id) ON DELETE CASCADE
);
INSERT INTO "nas_trial" VALUES(1,0,'DONE',1,1,NULL,1.79537116596599197388e+09,1.79537116597001600261e+09,'0bc5992ca08d598967119144ef1d6b0b3e2e23b5c3addde10e94ae8b3beff538','baseline:full','full','{"accuracy":0.875,"latency_ms":12.5}','{"macs":1e+22,"num_parameters":1000.0}',NULL,NULL,'{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}','{}','{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}');
INSERT INTO "nas_trial" VALUES(1,1,'DONE',2,2,NULL,1.79537116596599197388e+09,1.79537116597399902346e+09,'621891dd3ac2dfc255f49a87b881ee802e629933c85e8b349eadaf39b8add0fa','sampler','a','{"accuracy":0.75,"latency_ms":5e-324}','{"macs":1e+22,"num_parameters":1000.0}',NULL,NULL,'{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}','{"layers":4,"dropout":0.1,"kind":"plain"}','{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}');
INSERT INTO "nas_trial" VALUES(1,2,'INFEASIBLE',0,0,NULL,1.79537116596599197388e+09,1.79537116596599197388e+09,NULL,'sampler','big',NULL,'{"macs":1e+22,"num_parameters":1000.0}','breaks macs <= 1',NULL,'{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}','{"layers":4,"dropout":0.1,"kind":"plain"}','{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}');
INSERT INTO "nas_trial" VALUES(1,3,'FAILED',1,4,NULL,1.79537116597500395775e+09,1795371165.97601,NULL,'sampler','b',NULL,'{"macs":1e+22,"num_parameters":1000.0}','oom','CUDA out of memory: ''x''; "y" %s %(a)s :b \ 
日本','{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}','{"layers":4,"dropout":0.1,"kind":"plain"}','{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}');
INSERT INTO "nas_trial" VALUES(1,4,'RUNNING',1,NULL,NULL,1.79537116597500395775e+09,NULL,NULL,'sampler','c',NULL,'{"macs":1e+22,"num_parameters":1000.0}',NULL,NULL,'{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}','{"layers":4,"dropout":0.1,"kind":"plain"}','{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}');
INSERT INTO "nas_trial" VALUES(1,5,'DUPLICATE',0,3,1,1.79537116597500395775e+09,1.79537116597500395775e+09,NULL,'sampler','a','{"accuracy":0.75,"latency_ms":5e-324}','{"macs":1e+22,"num_parameters":1000.0}',NULL,NULL,'{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}','{"layers":4,"dropout":0.1,"kind":"plain"}','{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}');
INSERT INTO "nas_trial" VALUES(1,6,'RUNNING',1,NULL,NULL,1.79537116597500395775e+09,NULL,NULL,'sampler','d',NULL,'{"macs":1e+22,"num_parameters":1000.0}',NULL,NULL,'{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}','{"layers":4,"dropout":0.1,"kind":"plain"}','{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}');
INSERT INTO "nas_trial" VALUES(1,7,'PAUSED',1,NULL,NULL,1.79537116597500395775e+09,NULL,NULL,'sampler','e','{"accuracy":0.25,"evaluated_examples":64.0}','{"macs":1e+22,"num_parameters":1000.0}','dominated by trial 1',NULL,'{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}','{"layers":4,"dropout":0.1,"kind":"plain"}','{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}');
INSERT INTO "nas_trial" VALUES(1,8,'PROPOSED',0,NULL,NULL,1.79537116597500395775e+09,NULL,NULL,'sampler','f',NULL,'{"macs":1e+22,"num_parameters":1000.0}',NULL,NULL,'{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}','{"layers":4,"dropout":0.1,"kind":"plain"}','{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}');
INSERT INTO "nas_trial" VALUES(2,0,'DONE',0,0,NULL,1.79537116599399399754e+09,1795371165.995,'d6bc1fa293ffffece82fca01deeb03464d83def27c18ba325b0f009733939bbc','sampler','a','{"accuracy":1.0}','{"macs":1e+22,"num_parameters":1000.0}',NULL,NULL,'{"num_hidden_layers":4,"note":"Größe ☃","kept":[0,2,3]}','{"layers":4,"dropout":0.1,"kind":"plain"}','{"nsga2:generation":0,"z":1e+22,"a":[1,null,true]}');
CREATE INDEX nas_latency_measured ON nas_latency (target, workload_sha256, shape_key);
CREATE INDEX nas_event_study ON nas_event (study_id, id);
CREATE UNIQUE INDEX nas_trial_key ON nas_trial (study_id, "key") WHERE state <> 'DUPLICATE';
CREATE INDEX nas_job_study ON nas_job (study, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('nas_study',3);
INSERT INTO "sqlite_sequence" VALUES('nas_event',47);
INSERT INTO "sqlite_sequence" VALUES('nas_job',4);
INSERT INTO "sqlite_sequence" VALUES('nas_latency',2);
INSERT INTO "sqlite_sequence" VALUES('nas_recovery',1);
COMMIT;

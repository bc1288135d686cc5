// Notes written for this page. No patient stands behind them.

export const EXAMPLES: readonly string[] = [
  `CONSULTATION

Reason for visit: Chest tightness on climbing stairs.

History: 67-year-old retired carpenter with hypertension and hyperlipidemia. For six weeks he has felt a squeezing pressure behind the breastbone after one flight of stairs, gone within three minutes of rest. Twice it reached the left jaw. No pain at night, no syncope. He sleeps on two pillows and his ankles are swollen by evening. Former smoker, 30 pack-years. His brother had a bypass at 59.

Medications: Lisinopril 20 mg daily, atorvastatin 40 mg at night, aspirin 81 mg.

Examination: Blood pressure 148/86, pulse 74 and regular. Jugular venous pressure 9 cm. Soft systolic murmur at the apex, no gallop. Fine crackles at both bases. Trace ankle edema.

Data: ECG shows sinus rhythm, left ventricular hypertrophy and T-wave inversion in V4 to V6. Echocardiogram: ejection fraction 42 percent, mild mitral regurgitation, hypokinesis of the anterior wall. Troponin negative twice.

Impression: Exertional angina, probable coronary artery disease of the left anterior descending territory, with early left ventricular dysfunction.

Plan: Metoprolol succinate 25 mg, sublingual nitroglycerin as needed, furosemide 20 mg. Cardiac catheterization with coronary angiography this week. Return at once for pain at rest.`,

  `OPERATIVE NOTE

Preoperative diagnosis: Displaced fracture of the right femoral neck.
Postoperative diagnosis: The same.
Procedure: Cemented hemiarthroplasty, right hip.
Anesthesia: Spinal.
Estimated blood loss: 220 mL.

Indications: 81-year-old woman who slipped on a wet kitchen floor and could not bear weight. Radiographs showed a displaced subcapital fracture. Risks, including infection, dislocation, fracture, leg length difference and thrombosis, were explained and she consented.

Description: She was turned onto her left side on the padded table, and the right hip was prepped and draped. A time-out was held and cefazolin given. Through a posterolateral incision the fascia lata was split in line with its fibers. The short external rotators were tagged and released and the capsule opened in a T. The femoral head was removed with a corkscrew and measured 46 mm. The neck was cut one fingerbreadth above the lesser trochanter. The canal was broached to size 4 with fifteen degrees of anteversion. A cement restrictor was placed, the canal irrigated and dried, and the stem cemented. After trial reduction the bipolar head was impacted; the hip was stable through a full range of motion and leg lengths were equal. The capsule and rotators were repaired through drill holes in the greater trochanter. The wound was closed in layers with Vicryl and staples.

The patient went to recovery in stable condition. Weight bearing as tolerated, hip precautions, enoxaparin for 28 days.`,

  `PROCEDURE: Colonoscopy with polypectomy and biopsy.

Indication: 54-year-old woman with four months of loose stools, intermittent rectal bleeding and iron deficiency anemia. Her mother had colon cancer at 62.

Sedation: Midazolam 4 mg and fentanyl 75 mcg intravenously, with monitoring throughout.

Findings: Digital rectal examination normal. The colonoscope was passed to the cecum, confirmed by the appendiceal orifice and the ileocecal valve. Bowel preparation was good. The terminal ileum looked normal. In the ascending colon a sessile polyp of 8 mm was lifted with saline and removed by hot snare. In the sigmoid colon a pedunculated polyp of 15 mm was removed by snare and retrieved; the stalk was clipped. The mucosa from the rectum to 25 cm was red and granular with loss of the vascular pattern and a few shallow ulcers; biopsies were taken. Scattered diverticula of the sigmoid. Small internal hemorrhoids on retroflexion.

Impression: Two colon polyps, removed. Left-sided colitis, probably ulcerative colitis. Diverticulosis.

Plan: Await histology. Mesalamine 2.4 g daily. No aspirin or ibuprofen for ten days. Repeat colonoscopy in three years, sooner if histology calls for it. Clinic visit in two weeks; check hemoglobin and ferritin.`,
]

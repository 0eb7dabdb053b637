"""Sentences that say nothing about where things are, many of them with words that elsewhere do."""

ORDINARY = """
The jacket is on sale until Friday.
She fell in love with the idea at once.
At the end of the day, everyone was tired.
The project is two weeks behind schedule.
The train arrived on time for once.
A portrait of an old sailor in the style of Rembrandt.
Rendered in high resolution with incredible detail.
He left the house without saying a word.
I need the answer right now.
Above all, be honest with yourself.
Over the years, the company changed its name twice.
The team works well under pressure.
The report describes the method in detail.
The barn was on fire for three hours.
A dramatic photograph in black and white.
It was an inside joke that nobody else understood.
The shop is open between 5 and 6 pm.
In front of his eyes, time seemed to pass.
She was next to tears with joy, close to giving up.
He is on the phone and cannot talk.
They talked about politics over dinner.
The price went up by ten percent over the summer.
Under no circumstances should you share the password.
The negotiations ended in failure.
The novel was written by a famous author.
The meeting is on Monday morning.
The festival takes place in the middle of the night.
The actor was in a good mood during the interview.
Turn on the oven and wait for ten minutes.
Put on your coat before you go.
Stir in the flour and fold in the egg whites.
Preheat the oven to 200 degrees and bake for half an hour.
Bring the water to a boil, then reduce the heat.
Season with salt and pepper to taste.
Click on the link and log in with your password.
Save the document in the right format.
Read the instructions carefully before use.
Divide the dough in half and let it rise.
Whisk the eggs until they are light and fluffy.
Drink plenty of water in hot weather.
Press the button for five seconds to reset the device.
Write your name in capital letters.
Check the battery on a regular basis.
Take the medicine twice a day with food.
Practice every day in order to improve.
Follow the recipe step by step.
Keep in mind that prices may change.
A minimalist logo in bold colors.
A surreal dreamscape in the spirit of Magritte.
A cinematic shot with dramatic lighting and shallow depth of field.
An oil painting of a woman in a red dress.
A watercolor illustration in pastel tones.
A 3D render of a futuristic sports car, octane render, 8k.
A pencil drawing of a lion with fine shading.
Photorealistic portrait of a man in a suit, studio lighting.
Anime style girl with long silver hair and blue eyes.
A cozy atmosphere with warm light and soft shadows.
A vintage poster with bold typography.
The scene has a melancholic mood with muted colors.
Ultra detailed, sharp focus, trending online.
A low poly fox in bright orange.
A knight in shining armor, epic fantasy art.
A child in a yellow raincoat laughing in the rain.
A dancer in motion, captured in slow shutter speed.
A cat in profile, black ink on white.
A portrait in golden hour light.
A robot made of rusty metal parts.
A dragon breathing fire, highly detailed scales.
A smiling woman with freckles and curly hair.
A man wearing sunglasses and a leather jacket.
A horse galloping at full speed.
Two friends laughing together in the sunshine.
A chef preparing pasta with great care.
A musician playing the violin with passion.
A close-up of a green eye.
Abstract shapes in vivid contrast.
The style is inspired by Japanese woodblock prints.
The mood is calm and the palette is limited to blues.
The image should feel nostalgic and warm.
The composition follows the rule of thirds.
Once upon a time there was a king who loved music.
He had been in the army for ten years.
She thought about her childhood and smiled.
The old man told stories of war and peace.
They were in the same class and became friends.
He grew up in poverty but died in wealth.
The detective was close to solving the case.
The queen ruled over the country for decades.
The hero fought against the odds.
After years of training, he was at the top of his game.
The secret remained between us.
She walked away from the argument.
He went beyond the call of duty.
The storm was over by morning.
The children were in high spirits.
The soldier was under orders to wait.
The story revolves around a missing necklace.
The singer is in her thirties.
Everything happened in a matter of seconds.
He was beside himself with anger.
She is on vacation until next week.
They argued over money.
The company is on the verge of bankruptcy.
The law was passed against the will of the people.
The talks are under way.
His career is on the line.
He has a lot on his mind.
I am behind you all the way.
The idea was ahead of its time.
The temperature fell below zero.
Unemployment is above average this year.
More than fifty people voted in favor of the plan.
The price is under 20 dollars.
The film lasts over two hours.
Around a hundred guests came to the wedding.
The answer lies within you.
The show must go on.
On the other hand, the risk is small.
On average, a cat sleeps for fifteen hours.
In general, the results were good.
In other words, nothing changed.
In addition, the service was free.
In fact, he had never been there.
In the long run, it pays to be patient.
By the way, dinner is ready.
By accident, she found the answer.
At first, nobody believed her.
At least two of them agreed.
At night, the city never sleeps.
For the first time in years, it snowed.
From time to time, he writes poems.
Without a doubt, it was the best concert of the year.
Up to now, nobody has complained.
The book is based on a true story.
The success depends on the weather.
He spends most of his money on books.
She insisted on paying the bill.
They agreed on a compromise.
The lecture focused on modern art.
He concentrated on his work.
She believes in ghosts.
He specializes in tax law.
The attempt resulted in disaster.
She is interested in astronomy.
The word is written in italics.
The dress comes in three colors.
He paid in cash.
They traveled in style.
The deal was done in secret.
He spoke in a low voice.
She answered in English.
The garden is in full bloom.
The machine is out of order.
The milk is past its best.
He is over the moon about the news.
She kept her promise against all expectations.
The plan fell through.
We ran out of time.
He gave up on the project.
She turned down the offer.
They set off at dawn.
The alarm went off early.
Please hold on for a moment.
The bus leaves at nine o'clock.
The exam starts in five minutes.
Dinner is served between seven and nine.
The right answer is not always the easy one.
Nobody was left after the party.
He is right about that.
The left wing of the party voted no.
It is far from perfect but close to ideal.
The rumor spread across the country.
The whole family is against the idea.
She succeeded in spite of the difficulties.
The contract is in force until the end of the year.
His jokes are below the belt.
The situation got out of control.
Time is on our side.
I have mixed feelings about it.
A gentle breeze carried the smell of spring.
Hope is the thing with feathers.
Create a logo for a bakery that feels friendly and modern.
Make it look like a photo from the seventies.
Use soft light and keep the colors muted.
Generate an image in portrait format.
The typography should be playful and easy to read.
He opened his laptop and started to type.
The recipe calls for two cups of sugar.
She whispered a secret to her best friend.
Our flight was delayed because of fog.
The teacher explained the rule in simple words.
In the end, the villagers forgave the thief.
He has been under a lot of stress lately.
The museum is closed on Tuesdays.
A watercolor portrait of a sailor, loose brushwork, muted blues.
She is on a strict diet.
The two brothers are close in age.
They live in peace with their neighbors.
Beat the butter and sugar until creamy.
Add a pinch of salt and mix well.
Let the dough rest for an hour.
Cut the onion into small cubes.
The company is in the middle of a merger.
He looked at me in disbelief.
They sang around the clock.
The queue moved at a snail's pace.
The law applies across the board.
Sales rose above expectations.
The candidate stands behind his promise.
She stood by her decision.
He went over the contract again.
We are looking for a new apartment.
The author lives by the rule of honesty.
The concert was beyond words.
It is between you and me.
The report is on its way.
The team played on despite the rain.
He is on good terms with his boss.
The cake is made from almonds and honey.
The engine runs on electricity.
They met by chance in the spring.
The young prince dreamed of adventure.
The lights went out all over the city.
Her voice was full of warmth.
A steampunk airship, intricate gears, sepia tones.
A hyperrealistic macro shot of a dewdrop.
Flat vector icon set, clean lines, rounded shapes.
Gothic fantasy art, moody lighting, volumetric fog.
A cheerful cartoon penguin wearing a bow tie.
Isometric pixel art of a tiny bakery.
A sculpture made of recycled plastic.
An elegant wedding invitation in gold foil.
Art nouveau poster with flowing lines and floral motifs.
Portrait of an astronaut, 35mm, film grain.
A glass of water, backlit, high contrast.
A bowl of ramen with a soft-boiled egg.
The witness was under oath.
The boat drifted for days without food.
The doctor advised against the surgery.
It rained on and off all week.
She laughed until she cried.
He hung up without another word.
The rent is due at the end of the month.
Everyone was in a hurry to get home.
The children took turns telling jokes.
He made up his mind in an instant.
""".strip().splitlines()

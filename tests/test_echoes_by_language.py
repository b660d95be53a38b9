"""What was corrected does not come back in another person's grammar, in whatever language."""

from __future__ import annotations

import pytest

SPOKEN = {
    "English": ("I live in Oslo", "I live in Rome",
        ["You live in Oslo", "The user lives in Oslo", "Yes, you live in Oslo",
         "According to my notes you live in Oslo", "No, you live in Oslo",
         'Note: "I live in Oslo"'],
        ["Bob: I live in Oslo", "Bob, you live in Oslo", "Bob lives in Oslo",
         "Your sister Eva lives in Oslo"]),
    "German": ("Ich wohne in Bern", "Ich wohne in Basel",
        ["Du wohnst in Bern", "Derzeit wohnst du in Bern", "Aktuell wohnen Sie in Bern",
         "Der Nutzer wohnt in Bern", "Notiz: „Ich wohne in Bern“", "Note: du wohnst in Bern.",
         "Ja, du wohnst in Bern"],
        ["Boris wohnt in Bern", "Deine Schwester wohnt in Bern", "Boris, du wohnst in Bern",
         "Du hast eine Schwester, die in Bern wohnt", "Nutzer 17 wohnt in Bern",
         "Sie wohnen in Bern", "Du weißt, dass Boris in Bern wohnt",
         "Die Schwester des Nutzers wohnt in Bern"]),
    "French": ("J'habite à Lyon", "J'habite à Lille",
        ["Vous habitez à Lyon", "Tu habites à Lyon", "L'utilisateur habite à Lyon",
         "Note : « J’habite à Lyon »", "Actuellement vous habitez à Lyon"],
        ["Paul habite à Lyon", "Votre sœur habite à Lyon", "Paul, vous habitez à Lyon",
         "La sœur de l'utilisateur habite à Lyon"]),
    "Spanish": ("Vivo en Madrid", "Vivo en Bilbao",
        ["Tú vives en Madrid", "Vives en Madrid", "Ahora vives en Madrid", "Usted vive en Madrid",
         "El usuario vive en Madrid", "Note: «Vivo en Madrid»"],
        ["Pablo vive en Madrid", "Tu hermana vive en Madrid", "Pablo, vives en Madrid",
         "Usted tiene una hermana que vive en Madrid",
         "La hermana del usuario vive en Madrid"]),
    "Portuguese": ("Eu moro em Lisboa", "Eu moro em Braga",
        ["Você mora em Lisboa", "Tu moras em Lisboa", "O usuário mora em Lisboa"],
        ["Rui mora em Lisboa", "A tua irmã mora em Lisboa", "A irmã do usuário mora em Lisboa"]),
    "Italian": ("Abito a Torino", "Abito a Milano",
        ["Tu abiti a Torino", "Abiti a Torino", "L'utente abita a Torino", "Nota: Abito a Torino"],
        ["Paolo abita a Torino", "Tua sorella abita a Torino"]),
    "Dutch": ("Ik woon in Utrecht", "Ik woon in Delft",
        ["Je woont in Utrecht", "Jij woont in Utrecht", "U woont in Utrecht",
         "De gebruiker woont in Utrecht"],
        ["Piet woont in Utrecht", "Je zus woont in Utrecht"]),
    "Polish": ("Mieszkam w Krakowie", "Mieszkam w Gdyni",
        ["Mieszkasz w Krakowie", "Ty mieszkasz w Krakowie", "Użytkownik mieszka w Krakowie"],
        ["Piotr mieszka w Krakowie", "Twoja siostra mieszka w Krakowie"]),
    "Russian": ("Я живу в Москве", "Я живу в Казани",
        ["Ты живёшь в Москве", "Вы живёте в Москве", "Сейчас вы живете в Москве",
         "Пользователь живёт в Москве", "Note: «Я живу в Москве»"],
        ["Иван живёт в Москве", "Твоя сестра живёт в Москве", "Сестра пользователя живёт в Москве",
         "Иван, ты живёшь в Москве"]),
    "Turkish": ("Ankara'da yaşıyorum", "İzmir'de yaşıyorum",
        ["Ankara'da yaşıyorsun", "Siz Ankara'da yaşıyorsunuz", "Kullanıcı Ankara'da yaşıyor",
         'Note: "Ankara\'da yaşıyorum"'],
        ["Mehmet Ankara'da yaşıyor", "Kız kardeşin Ankara'da yaşıyor",
         "Mehmet, Ankara'da yaşıyorsun"]),
    "Chinese": ("我住在北京", "我住在上海",
        ["您住在北京", "你住在北京。", "用户住在北京", "Note: “我住在北京”", "备注：我住在北京",
         "[2024-05-01] 我住在北京", "User profile: 您住在北京"],
        ["小明住在北京", "你的朋友住在北京", "你知道小明住在北京", "Bob: 我住在北京"]),
    "Japanese": ("私は大阪に住んでいます", "私は京都に住んでいます",
        ["あなたは大阪に住んでいます", "ユーザーは大阪に住んでいます",
         "Note: 「私は大阪に住んでいます」", "あなたは大阪に住んでいらっしゃいます"],
        ["鈴木さんは大阪に住んでいます", "あなたの友達は大阪に住んでいます"]),
    "Korean": ("저는 서울에 살고 있어요", "저는 부산에 살고 있어요",
        ["당신은 서울에 살고 있어요", "사용자는 서울에 살고 있어요", "고객님은 서울에 살고 계세요",
         'Note: "저는 서울에 살고 있어요"'],
        ["민수는 서울에 살고 있어요", "당신의 친구는 서울에 살고 있어요"]),
    "Arabic": ("أسكن في عمان", "أسكن في دمشق",
        ["أنت تسكن في عمان", "أنتِ تسكنين في عمان", "المستخدم يسكن في عمان",
         'Note: "أسكن في عمان"'],
        ["سارة تسكن في عمان", "تسكن سارة في عمان", "أختك تسكن في عمان"]),
    "Hindi": ("मैं दिल्ली में रहता हूँ", "मैं मुंबई में रहता हूँ",
        ["आप दिल्ली में रहते हैं", "तुम दिल्ली में रहते हो", "उपयोगकर्ता दिल्ली में रहता है",
         'Note: "मैं दिल्ली में रहता हूँ"'],
        ["राम दिल्ली में रहता है", "आपकी बहन दिल्ली में रहती है",
         "आप जानते हैं कि राम दिल्ली में रहता है", "उपयोगकर्ता की बहन दिल्ली में रहती है"]),
    "Urdu": ("میں لاہور میں رہتا ہوں", "میں کراچی میں رہتا ہوں",
        ["آپ لاہور میں رہتے ہیں", "تم لاہور میں رہتے ہو", 'Note: "میں لاہور میں رہتا ہوں"'],
        ["علی لاہور میں رہتا ہے", "آپ کی بہن لاہور میں رہتی ہے",
         "آپ جانتے ہیں کہ علی لاہور میں رہتا ہے"]),
    "Thai": ("ผมอาศัยอยู่ที่เชียงใหม่", "ผมอาศัยอยู่ที่ภูเก็ต",
        ["คุณอาศัยอยู่ที่เชียงใหม่", "ผู้ใช้อาศัยอยู่ที่เชียงใหม่", 'Note: "ผมอาศัยอยู่ที่เชียงใหม่"'],
        ["สมชายอาศัยอยู่ที่เชียงใหม่", "น้องสาวของคุณอาศัยอยู่ที่เชียงใหม่",
         "คุณสมชายอาศัยอยู่ที่เชียงใหม่", "น้องสาวของผู้ใช้อาศัยอยู่ที่เชียงใหม่"]),
}  # fmt: skip


@pytest.mark.parametrize("language", SPOKEN)
@pytest.mark.parametrize("door", ["key", "supersede"])
def test_telling_a_user_the_old_value_is_an_echo_and_another_who_has_it_is_not(
    store, clock, language, door
):
    old, new, echoes, bystanders = SPOKEN[language]
    first = store.add(old, key="home" if door == "key" else None)
    clock.advance(days=1)
    if door == "key":
        store.add(new, key="home")
    else:
        store.supersede(first.id, new)
    clock.advance(days=1)

    told = {text: store.add(text, origin="assistant") for text in echoes}
    beside = {text: store.add(text, origin="document") for text in bystanders}

    quoted = {text: m.manner == "echo" or m.echo_of == first.id for text, m in told.items()}
    assert quoted == dict.fromkeys(echoes, True)
    assert {text: (m.manner, m.valid_to) for text, m in beside.items()} == dict.fromkeys(
        bystanders, ("statement", None)
    )
    assert not {hit.memory.text for hit in store.search(old, k=99)} & {old, *echoes}


DENIED = [
    ("Alice lives in Oslo", "Alice lives in Rome",
     ["Alice does not live in Oslo", "Alice no longer lives in Oslo", "Alice doesn't live in Oslo"],
     ["No, Alice lives in Oslo", "Alice lives in Oslo and does not like tea",
      "Do not forget that Alice lives in Oslo", "Not sure, but Alice lives in Oslo"]),
    ("I live in Oslo", "I live in Rome", ["You do not live in Oslo"], ["No, you live in Oslo"]),
    ("Alice does not eat meat", "Alice eats meat", [], ["Note: Alice does not eat meat"]),
    ("Ich wohne in Bern", "Ich wohne in Ulm", ["Du wohnst nicht mehr in Bern"],
     ["Nein, du wohnst in Bern"]),
    ("J'habite à Lyon", "J'habite à Lille", ["Vous n'habitez plus à Lyon"],
     ["Non, vous habitez à Lyon"]),
    ("Vivo en Madrid", "Vivo en Bilbao", ["Ya no vives en Madrid"], ["No, vives en Madrid"]),
    ("Я живу в Москве", "Я живу в Казани", ["Вы не живёте в Москве"], ["Нет, вы живёте в Москве"]),
    ("我住在北京", "我住在上海", ["您已经不住在北京了"], ["不,您住在北京"]),
    ("私は大阪に住んでいます", "私は京都に住んでいます", ["あなたは大阪に住んでいません"],
     ["いいえ、あなたは大阪に住んでいます"]),
    ("मैं दिल्ली में रहता हूँ", "मैं मुंबई में रहता हूँ", ["आप दिल्ली में नहीं रहते हैं"], ["जी, आप दिल्ली में रहते हैं"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "denials", "echoes"), DENIED)
def test_who_says_that_it_is_not_so_says_nothing_again(store, old, new, denials, echoes):
    store.add(old, key="k")
    store.add(new, key="k")

    denied = {text: store.add(text, origin="assistant").manner for text in denials}
    said = {text: store.add(text, origin="assistant").manner for text in echoes}

    assert denied == dict.fromkeys(denials, "statement")
    assert said == dict.fromkeys(echoes, "echo")


MOVED = [
    ("Ich wohne in Bern", "Ich bin nach Basel gezogen", "Du wohnst in Bern"),
    ("Vivo en Madrid", "Me mudé a Bilbao", "Vives en Madrid"),
    ("J'habite à Lyon", "J'ai déménagé à Lille", "Vous habitez à Lyon"),
    ("Я живу в Москве", "Я переехал в Казань", "Вы живёте в Москве"),
    ("我住在北京", "我搬到上海了", "您住在北京"),
    ("私は大阪に住んでいます", "京都に引っ越しました", "あなたは大阪に住んでいます"),
    ("Ankara'da yaşıyorum", "İzmir'e taşındım", "Ankara'da yaşıyorsunuz"),
]


@pytest.mark.parametrize(("old", "new", "told"), MOVED)
@pytest.mark.parametrize("in_a_batch", [False, True])
def test_it_is_an_echo_where_the_verb_was_corrected_too(store, old, new, told, in_a_batch):
    store.add(old, key="home")
    store.add(new, key="home")
    row = {"text": told, "origin": "import"}

    said = store.add_many([row, {"text": "tea", "origin": "import"}])[0] if in_a_batch else (
        store.add(**row))  # fmt: skip

    assert (said.manner, said.valid_to is None) == ("echo", False)


@pytest.mark.parametrize("language", SPOKEN)
def test_before_a_correction_nothing_that_is_told_to_the_user_is_withheld(store, language):
    """The negative control: it is the correction that withholds, and not the grammar."""
    old, _, echoes, _ = SPOKEN[language]
    store.add(old, key="home")

    told = [store.add(text, origin="assistant") for text in echoes]

    assert all(memory.valid_to is None for memory in told)


PAST = {
    "English": ("I live in Oslo", "I live in Rome",
        ["I used to live in Oslo", "I lived in Oslo until May", "Previously I lived in Oslo",
         "I no longer live in Oslo", "I like tea, and I used to live in Oslo",
         "I also used to live in Oslo"],
        ["I have been living in Oslo", "I have always lived in Oslo", "I moved to Oslo in May",
         "I used to work in Bergen, but I live in Oslo", "I used to be shy. I live in Oslo",
         "I'm used to living in Oslo", "I am used to my office in Oslo",
         "I have become used to life in Oslo", "We got used to Oslo",
         "My flat in Oslo is used to live in", "I never used to live anywhere else than Oslo",
         "I used to say that I live in Oslo", "I used to live alone in Oslo",
         "I never lived anywhere else than Oslo", "I always lived in Oslo",
         "Where I lived is Oslo still", "I only ever lived in Oslo",
         "I don't need any more coffee in Oslo", "I do not live in any more towns than Oslo",
         "I do not want to live anywhere anymore than in Oslo",
         "I stay no longer than a week outside Oslo", "I no longer live alone in Oslo",
         "I no longer doubt that I live in Oslo", "In the past year I have lived in Oslo",
         "In the past two weeks Oslo was cold", "As I said previously I live in Oslo",
         "I live in the formerly grim part of Oslo", "I live in Oslo as previously",
         "Back then I moved to Oslo", "In those days I found my home in Oslo",
         "Back in the day I came to Oslo"]),
    "German": ("Ich wohne in Bern", "Ich wohne in Basel",
        ["Früher habe ich in Bern gewohnt", "Vormals wohnte ich in Bern",
         "Ich wohne nicht mehr in Bern"],
        ["Ich bin nach Bern gezogen", "Früher war ich scheu, aber ich wohne in Bern",
         "Ich mache in Bern früher Feierabend", "Ich kam früher als er nach Bern",
         "Wie früher gesagt wohne ich in Bern", "Damals zog ich nach Bern",
         "Damals wohnte ich schon in Bern", "Einst werde ich in Bern wohnen",
         "Ich wohne in der ehemals grauen Altstadt von Bern", "Ich wohne in Bern wie vormals",
         "Ich bin nicht mehr als drei Tage außerhalb von Bern",
         "Ich wohne nicht mehr allein in Bern", "Ich wohne nicht mehr lange in Bern",
         "Ich brauche kein Auto mehr in Bern", "Ich habe keine Angst mehr in Bern",
         "Ich will keinen Tag mehr ohne Bern", "Früher wohnte ich nie anderswo als in Bern"]),
    "French": ("J'habite à Lyon", "J'habite à Lille",
        ["Autrefois j'habitais à Lyon", "Jadis j'habitais à Lyon", "Je n'habite plus à Lyon"],
        ["J'ai déménagé à Lyon", "Autrefois timide, j'habite à Lyon",
         "À l'époque j'ai déménagé à Lyon", "Je n'habite plus qu'à Lyon",
         "Je n'habite plus que Lyon", "Je n'habite plus seul à Lyon", "J'habite à Lyon comme jadis",
         "J'habite comme par le passé à Lyon", "Dans le passé proche je suis venu à Lyon",
         "J'habite l'autrefois grise ville de Lyon", "Anciennement grise Lyon est ma ville",
         "Auparavant j'ai acheté ma maison à Lyon", "Je ne suis jamais plus heureux qu'à Lyon"]),
    "Spanish": ("Vivo en Madrid", "Vivo en Bilbao",
        ["Antiguamente vivía en Madrid", "Ya no vivo en Madrid", "Solía vivir en Madrid",
         "No vivo más en Madrid"],
        ["Me mudé a Madrid", "Vivo en Madrid y llego antes de las nueve",
         "Llego a Madrid antes de las nueve", "Como dije anteriormente vivo en Madrid",
         "Vivo en la antiguamente gris Madrid", "Solía decir que vivo en Madrid",
         "Ya no vivo solo en Madrid", "Ya no dudo que vivo en Madrid",
         "No vivo más que en Madrid", "No tardo más de una hora a Madrid",
         "En el pasado mes me quedé en Madrid", "En aquel entonces me mudé a Madrid",
         "Por entonces me mudé a Madrid", "Nunca solía vivir fuera de Madrid"]),
    "Portuguese": ("Eu moro em Lisboa", "Eu moro em Braga",
        ["Antigamente eu morava em Lisboa", "Já não moro em Lisboa", "Costumava morar em Lisboa"],
        ["Mudei-me para Lisboa", "Como disse anteriormente eu moro em Lisboa",
         "Eu moro na antigamente cinzenta Lisboa", "Costumava dizer que eu moro em Lisboa",
         "Já não moro sozinho em Lisboa", "Já não duvido que moro em Lisboa",
         "Não demoro mais de uma hora a Lisboa", "Eu não moro mais longe que Lisboa",
         "No passado mês fiquei em Lisboa", "Naquela época mudei-me para Lisboa"]),
    "Italian": ("Abito a Torino", "Abito a Milano",
        ["Un tempo abitavo a Torino", "Non abito più a Torino", "In passato abitavo a Torino"],
        ["Mi sono trasferito a Torino", "Vado a Torino una volta alla settimana",
         "Ho trovato un tempo bello a Torino", "Come in passato abito a Torino",
         "Come detto precedentemente abito a Torino", "Non abito più solo a Torino",
         "Non abito più lontano che Torino", "All'epoca mi sono trasferito a Torino"]),
    "Dutch": ("Ik woon in Utrecht", "Ik woon in Delft",
        ["Vroeger woonde ik in Utrecht", "Ik woon niet meer in Utrecht",
         "Voorheen woonde ik in Utrecht"],
        ["Ik ben naar Utrecht verhuisd", "Ik ga in Utrecht vroeger naar bed",
         "Ik woon in het voorheen grijze Utrecht", "Destijds verhuisde ik naar Utrecht",
         "Toentertijd verhuisde ik naar Utrecht", "Ik woon niet meer alleen in Utrecht",
         "Ik ben niet meer dan een uur van Utrecht", "Ik heb geen auto meer in Utrecht",
         "Vroeger woonde ik nooit ergens anders dan in Utrecht"]),
    "Polish": ("Mieszkam w Krakowie", "Mieszkam w Gdyni",
        ["Kiedyś mieszkałem w Krakowie", "Już nie mieszkam w Krakowie",
         "Dawniej mieszkałem w Krakowie", "W przeszłości mieszkałem w Krakowie"],
        ["Jestem w Krakowie od maja", "Wstaję wcześniej w Krakowie",
         "Kiedyś kupię dom w Krakowie", "Kiedyś będę mieszkać na stałe w Krakowie",
         "Mieszkam w dawniej szarym Krakowie", "Jak uprzednio mieszkam w Krakowie",
         "W przeszłości przyjechałem do Krakowa i został Krakowie",
         "Już nie mieszkam sama jedna przecież w Krakowie",
         "Już nie wątpię że mieszkam w Krakowie"]),
    "Russian": ("Я живу в Москве", "Я живу в Казани",
        ["Когда-то я жил в Москве", "Я больше не живу в Москве"],
        ["Я в Москве с мая", "Я встаю раньше в Москве", "Как сказано ранее я живу в Москве",
         "Прежде всего я живу в Москве", "Когда-то я переехал и остался в Москве",
         "Я больше не живу один в Москве", "Я больше не сомневаюсь что живу в Москве",
         "Я бываю не больше часа вне Москвы и в Москве", "Я уже не первый год живу в Москве",
         "В прошлом году я купил дом в Москве", "Бывало трудно добраться домой в Москве"]),
    "Turkish": ("Ankara'da yaşıyorum", "İzmir'de yaşıyorum",
        ["Eskiden Ankara'da yaşıyordum", "Bir zamanlar Ankara'da yaşıyordum"],
        ["Mayıstan beri Ankara'da yaşıyorum", "Eskiden beri Ankara'da yaşıyoruz",
         "Bir zamanlar gri olan Ankara'da yaşıyorum", "Önceden haber verip Ankara'da kalıyorum",
         "Geçmişte Ankara'da ev aldım"]),
    "Chinese": ("我住在北京", "我住在上海", ["我以前住在北京", "我曾经住在北京", "我不再住在北京"],
        ["我五月以来住在北京", "我三点以前到北京的家", "我曾经说过我住在北京",
         "我以前说过我住在北京",
         "我不再说我住在北京", "我不再只住在北京", "过去三年我住在北京", "当年我搬到北京",
         "我以前一直住在北京", "我從前說過我住在北京"]),
    "Japanese": ("私は大阪に住んでいます", "私は京都に住んでいます",
        ["以前、私は大阪に住んでいました", "私は大阪に住んでいました"],
        ["五月から私は大阪に住んでいます", "私は大阪に住んでいますと言っていました",
         "昔から私は大阪に住んでいました", "かつてない家が大阪にあります",
         "以前の通り大阪に住んでいます",
         "私は大阪にしか住んでいませんでした", "私は大阪の家を探していました"]),
    "Korean": ("저는 서울에 살고 있어요", "저는 부산에 살고 있어요",
        ["저는 예전에 서울에 살고 있었어요"],
        ["오월부터 저는 서울에 살고 있어요", "예전부터 저는 서울에 살고 있었어요",
         "아홉 시 이전에 서울에 도착해요", "더 이상 바랄 것 없이 서울에 살고 있어요",
         "과거에 서울에 집을 샀어요", "저는 서울에 살고 있었다고 말해요",
         "서울에 집을 찾았었어요"]),
    "Arabic": ("أسكن في عمان", "أسكن في دمشق",
        ["كنت أسكن في عمان", "لم أعد أسكن في عمان"],
        ["أسكن في عمان منذ مايو", "كنت قد انتقلت إلى عمان", "كنت أقول إني أسكن في عمان",
         "البيت المذكور سابقا في عمان", "في الماضي القريب وصلت إلى عمان",
         "بني بيتي من قبل أخي في عمان",
         "إذا كنت أسكن في عمان", "ما كنت أسكن إلا في عمان", "لم أعد أشك أني أسكن في عمان",
         "كان أخي معي في عمان", "كانت أمي معي في عمان", "لم يعد أخي من عمان",
         "لم تعد أمي من عمان"]),
    "Hindi": ("मैं दिल्ली में रहता हूँ", "मैं मुंबई में रहता हूँ", ["मैं पहले दिल्ली में रहता था"],
        ["मई से मैं दिल्ली में रहता हूँ", "मैं सबसे पहले दिल्ली में रहता हूँ",
         "मैंने कहा था कि मैं दिल्ली में रहता हूँ", "मैं दिल्ली में आया था",
         "माँ दिल्ली में आई थी", "भाई दिल्ली में आए थे", "मैं दिल्ली के अलावा कहीं नहीं रहता था"]),
    "Urdu": ("میں لاہور میں رہتا ہوں", "میں کراچی میں رہتا ہوں", ["میں پہلے لاہور میں رہتا تھا"],
        ["مئی سے میں لاہور میں رہتا ہوں", "میں سب سے پہلے لاہور میں رہتا ہوں",
         "میں نے کہا تھا کہ میں لاہور میں رہتا ہوں", "میں لاہور میں آیا تھا",
         "ماں لاہور میں آئی تھی", "بھائی لاہور میں آئے تھے"]),
    "Thai": ("ผมอาศัยอยู่ที่เชียงใหม่", "ผมอาศัยอยู่ที่ภูเก็ต",
        ["เมื่อก่อนผมอาศัยอยู่ที่เชียงใหม่", "ผมเคยอาศัยอยู่ที่เชียงใหม่"],
        ["ผมอาศัยอยู่ที่เชียงใหม่ตั้งแต่เดือนพฤษภาคม", "ผมคุ้นเคยกับเชียงใหม่", "ผมไม่เคยอาศัยอยู่นอกเชียงใหม่",
         "ผมอาศัยอยู่ที่เชียงใหม่ตั้งแต่ก่อน", "ผมอาศัยอยู่ที่เชียงใหม่เหมือนเมื่อก่อน",
         "ผมไม่ได้ไปไหนจากเชียงใหม่แล้ว"]),
}  # fmt: skip


def falling(store, clock, language, origin):
    """Which of the texts that are derived of a fact stand when it is replaced."""
    old, new, gone, still = PAST[language]
    return stand(store, clock, old, new, [*gone, *still], origin=origin)


def stand(store, clock, old, new, texts, *, origin="user"):
    fact = store.add(old, key="home")
    for text in texts:
        told = store.add(text, origin=origin, key=None, session="s", metadata={"of": text})
        store.link(told.id, fact.id, "derived_from")
    clock.advance(days=1)
    store.add(new, key="home")
    return [m.text for m in store.iterate() if m.key is None and m.valid_to is None]


@pytest.mark.parametrize("language", PAST)
def test_what_the_user_tells_of_the_past_does_not_fall_and_what_tells_of_now_does(
    store, clock, language
):
    assert falling(store, clock, language, "user") == PAST[language][2]


NOW = [
    ("We keep sessions in Redis", "We keep sessions in Postgres",
     ["We used to keep sessions in Redis"],
     ["Redis is used to keep sessions", "Redis is mostly used to keep sessions",
      "The server used to keep sessions runs Redis", "Redis can be used to keep sessions",
      "What we used to keep sessions is Redis"]),
    ("We store sessions in Redis", "We store sessions in Postgres",
     ["We stored sessions in Redis"],
     ["Sessions stored in Redis expire", "Stored in Redis sessions expire",
      "We never stored sessions outside Redis"]),
    ("The sessions are stored in Redis", "The sessions are stored in Postgres",
     ["The sessions were formerly stored in Redis", "The sessions used to be stored in Redis"],
     ["Redis is used to store the sessions", "The sessions were moved to Redis"]),
    ("My office is in Oslo", "My office is in Bergen",
     ["My office was previously in Oslo", "My office is no longer in Oslo"],
     ["I'm used to my office in Oslo", "I was previously told my office is in Oslo",
      "My office is no longer than a mile from Oslo"]),
    ("He prefers Helix", "He prefers Vim", ["He preferred Helix"],
     ["He preferred Helix when I asked him just now", "He has preferred Helix"]),
    ("The team decides to use Redis", "The team decides to use Postgres", [],
     ["The team decided to use Redis"]),
    ("Trabajo en la oficina de Oslo", "Trabajo en la oficina de Bergen", [],
     ["Trabajo en la oficina de Oslo antes de las nueve"]),
    ("Vado in ufficio a Roma", "Vado in ufficio a Milano", [],
     ["Vado in ufficio a Roma una volta alla settimana"]),
    ("Je bois du thé", "Je bois du café",
     ["Je ne bois plus du thé"], ["Je ne bois plus que du thé"]),
    ("काम ओस्लो में होता है", "काम बर्गन में होता है", ["काम ओस्लो में होता था"],
     ["यह काम पहले ओस्लो में होता है"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "gone", "still"), NOW)
def test_what_has_a_word_of_the_past_in_another_use_falls(store, clock, old, new, gone, still):
    """A stale fact that comes back is worse than a true one of the past that is withheld."""
    assert stand(store, clock, old, new, [*gone, *still]) == gone
    assert store.check() == []


@pytest.mark.parametrize("language", PAST)
@pytest.mark.parametrize("origin", ["assistant", "document", "import", "tool"])
def test_who_is_not_the_user_says_the_old_value_again_in_whatever_tense(
    store, clock, language, origin
):
    """What they retell, or the grammar of it, is no evidence of what the user meant."""
    assert falling(store, clock, language, origin) == []


@pytest.mark.parametrize("language", PAST)
def test_what_tells_of_the_past_falls_when_that_is_corrected(store, clock, language):
    """The negative control: it stands because the other tells of now."""
    was = PAST[language][2][0]
    fact = store.add(was, key="past")
    told = store.add(f"{was}!!", session="s", metadata={"of": 1})
    store.link(told.id, fact.id, "derived_from")
    clock.advance(days=1)

    store.add("Nothing of that sort", key="past")

    assert store.get(told.id).valid_to is not None

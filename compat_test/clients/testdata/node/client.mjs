// The session of clients_test.go with basic-ftp: node client.mjs HOST PORT
import { Client } from "basic-ftp"

const [host, port] = process.argv.slice(2)
const client = new Client(20_000)
try {
    await client.access({ host, port: Number(port), user: "user0", password: "pass0" })
    await client.send("MKD 目录 x")
    await client.cd("目录 x")
    await client.uploadFrom("big.bin", "big.bin")
    await client.uploadFromDir("texts")
    for (const entry of await client.list()) console.log(entry.name)
    console.log(await client.size("big.bin"))
    await client.downloadTo("out/big.bin", "big.bin")
    await client.remove("big.bin")
    await client.downloadToDir("out")
    await client.uploadFrom("big.bin", "big.bin")
    await client.rename("a b.txt", "新 名.txt")
    await client.remove("中文 文件.txt")
    console.log(await client.pwd())
    await client.send("QUIT")
} finally {
    client.close()
}

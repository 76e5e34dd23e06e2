# Puts the files of up into DIR, lists them and gets them back into down, with aioftp.
# Arguments: plain passive HOST PORT CERT DIR
import asyncio, os, sys
import aioftp

_, _, host, port, _, directory = sys.argv[1:]


async def main():
    client = aioftp.Client()
    await client.connect(host, int(port))
    await client.login("user0", "pass0")
    for name in sorted(os.listdir("up")):
        there = "/" + directory + "/" + name
        await client.upload("up/" + name, there, write_into=True)
        await client.download(there, "down/" + name, write_into=True)
    listed = {str(path.name) for path, _ in await client.list("/" + directory)}
    if not listed.issuperset(os.listdir("up")):
        sys.exit("listed: %s" % listed)
    await client.quit()


asyncio.run(main())
